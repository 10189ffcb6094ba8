#pragma once
#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "sim/core/check.h"

namespace cotenant {

// A heap with four children a node: half the levels of a binary heap, and the four children share one or two
// cache lines. Entry needs key(), which compares with <; the least key is on top.
// A pop leaves a hole at the top, which the next push fills: one walk down the tree instead of two.
// One owner, one thread.
template <class Entry>
class FourAryHeap {
 public:
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] size_t size() const { return entries_.size() - (hole_ ? 1U : 0U); }

  // The entry of least key. Requires !empty().
  const Entry& top() {
    fill_hole();
    return entries_.front();
  }

  void push(Entry entry) {
    if (hole_) {
      hole_ = false;
      sift_down(0, std::move(entry));
      return;
    }
    size_t at = entries_.size();
    entries_.push_back(std::move(entry));
    if (at == 0) return;
    Entry moving = std::move(entries_[at]);
    while (at > 0 && moving.key() < entries_[(at - 1) / kChildren].key()) {
      entries_[at] = std::move(entries_[(at - 1) / kChildren]);
      at = (at - 1) / kChildren;
    }
    entries_[at] = std::move(moving);
  }

  // Requires !empty().
  Entry pop() {
    fill_hole();
    CHECK(!entries_.empty());
    hole_ = true;
    return std::move(entries_.front());
  }

  // Takes all entries out, in no particular order.
  std::vector<Entry> take_all() {
    fill_hole();
    return std::exchange(entries_, {});
  }

 private:
  static constexpr size_t kChildren = 4;

  void fill_hole() {
    if (!hole_) return;
    hole_ = false;
    Entry last = std::move(entries_.back());
    entries_.pop_back();
    if (!entries_.empty()) sift_down(0, std::move(last));
  }

  // Without branches, which would be mispredicted half the time.
  size_t least_of_four(size_t first) const {
    const Entry* child = &entries_[first];
    const size_t low = child[1].key() < child[0].key() ? 1 : 0;
    const size_t high = 2 + (child[3].key() < child[2].key() ? 1 : 0);
    return first + (child[high].key() < child[low].key() ? high : low);
  }
  size_t least_of(size_t first, size_t end) const {
    size_t least = first;
    for (size_t child = first + 1; child < end; ++child) {
      if (entries_[child].key() < entries_[least].key()) least = child;
    }
    return least;
  }

  void sift_down(size_t at, Entry entry) {
    const size_t n = entries_.size();
    while (true) {
      const size_t first = at * kChildren + 1;
      if (first >= n) break;
      const size_t least = first + kChildren <= n ? least_of_four(first) : least_of(first, n);
      if (!(entries_[least].key() < entry.key())) break;
      entries_[at] = std::move(entries_[least]);
      at = least;
    }
    entries_[at] = std::move(entry);
  }

  std::vector<Entry> entries_;
  bool hole_ = false;  // entries_.front() has been popped
};

}  // namespace cotenant
