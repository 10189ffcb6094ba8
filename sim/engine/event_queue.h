#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "sim/core/check.h"
#include "sim/core/time.h"
#include "sim/engine/event_order.h"
#include "sim/engine/four_ary_heap.h"

namespace cotenant {

// The pending events of one simulation, popped by (time, class, origin, sequence). One owner, one thread.
//
// Few events stand in a 4-ary heap. Many stand in a radix heap, which may be used because time is a whole
// number and never runs back: an event's bucket is the highest bit in which its time differs from a base,
// so buckets are appended to and scanned in order, where a heap of that size would miss the
// cache at every level. Sources: Ahuja, Mehlhorn, Orlin, Tarjan, "Faster algorithms for the shortest path
// problem", J. ACM 37, 1990; a sorted run before the buckets as in the ladder queue of Tang, Goh, Thng, ACM
// TOMACS 15, 2005. Splitting moves an event to a lower bucket each time, so at most 63 times.
//
// Everything before limit_ is in front (run_ or heap_), everything else in buckets_.
template <class Payload>
class EventQueue {
 public:
  struct Event {
    Time time;
    EventOrder order;
    Payload payload;
  };

  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  // Requires: time >= the time of the last pop, and at least 0; (time, order) is not pending yet.
  void push(Time time, EventOrder order, Payload payload) {
    CHECK_MSG(time >= last_time_, "an event is scheduled before the present");
    Entry entry{static_cast<uint64_t>(time.ns), order.packed(), std::move(payload)};
    ++size_;
    if (entry.time < limit_) {
      heap_.push(std::move(entry));
      if (heap_.size() > heap_allowed_) spill();
    } else {
      put_in_bucket(std::move(entry));
    }
  }

  // Requires: !empty().
  Event pop() {
    CHECK(size_ > 0);
    fill_front();
    --size_;
    Entry entry = run_is_next() ? take_from_run() : heap_.pop();
    CHECK_MSG(entry.key() != last_key_, "two events have the same time, class, origin and sequence");
    last_key_ = entry.key();
    last_time_ = entry.at();
    return {entry.at(), EventOrder::unpacked(entry.order), std::move(entry.payload)};
  }

  // The time of the next pop. Requires: !empty().
  Time top_time() {
    CHECK(size_ > 0);
    fill_front();
    return run_is_next() ? run_.back().at() : heap_.top().at();
  }

 private:
  // With more than kHeapMost events they move to buckets; with fewer than kHeapLeast they move back. Far
  // apart, so that a size that swings about one of them does not move everything each time.
  static constexpr size_t kHeapMost = 512;
  static constexpr size_t kHeapLeast = 128;
  static constexpr size_t kRunMost = 32;    // a bucket this small is sorted, not split
  static constexpr size_t kLateMost = 256;  // arrivals before limit_ that a heap may hold before it is split
  static constexpr uint64_t kNoLimit = UINT64_MAX;

  using Key = unsigned __int128;
  struct Entry {
    uint64_t time;
    uint64_t order;
    Payload payload;
    // One integer compares faster than two fields.
    [[nodiscard]] Key key() const { return Key{time} << 64U | order; }
    [[nodiscard]] Time at() const { return {static_cast<int64_t>(time)}; }
  };

  [[nodiscard]] bool run_is_next() {
    return !run_.empty() && (heap_.empty() || run_.back().key() < heap_.top().key());
  }
  Entry take_from_run() {
    Entry entry = std::move(run_.back());
    run_.pop_back();
    return entry;
  }

  void put_in_bucket(Entry entry) {
    const auto bucket = static_cast<size_t>(std::bit_width(entry.time ^ base_));
    filled_ |= uint64_t{1} << bucket;
    buckets_[bucket].push_back(std::move(entry));
  }

  // Makes run_ or heap_ hold the next event.
  void fill_front() {
    if (!run_.empty() || !heap_.empty()) return;
    if (size_ < kHeapLeast) {
      gather_in_heap();
    } else {
      refill();
    }
  }

  void gather_in_heap() {
    for (std::vector<Entry>& bucket : buckets_) {
      for (Entry& entry : bucket) heap_.push(std::move(entry));
      bucket = std::vector<Entry>();
    }
    filled_ = 0;
    run_ = std::vector<Entry>();
    limit_ = kNoLimit;
    heap_allowed_ = kHeapMost;
  }

  // Splits the lowest bucket until it is small or holds one time only, and makes it the sorted run.
  // Requires: run_ and heap_ are empty, some bucket is not.
  void refill() {
    auto lowest = static_cast<unsigned>(std::countr_zero(filled_));
    while (lowest > 0 && buckets_[lowest].size() > kRunMost) {
      split(lowest);
      lowest = static_cast<unsigned>(std::countr_zero(filled_));
    }
    filled_ &= ~(uint64_t{1} << lowest);
    run_.swap(buckets_[lowest]);
    std::sort(run_.begin(), run_.end(), [](const Entry& a, const Entry& b) { return b.key() < a.key(); });
    // Bucket b ends where the bits of base_ from b up are exceeded by one.
    limit_ = ((base_ >> lowest) + 1) << lowest;
    heap_allowed_ = std::max(kLateMost, run_.size());
  }

  // Moves a bucket's events to lower buckets, about its least time as the new base. Buckets above keep
  // theirs: their times differ from the old and the new base in the same highest bit.
  void split(unsigned bucket) {
    std::vector<Entry>& from = buckets_[bucket];
    base_ = std::min_element(from.begin(), from.end(), [](const Entry& a, const Entry& b) {
              return a.time < b.time;
            })->time;
    filled_ &= ~(uint64_t{1} << bucket);
    for (Entry& entry : from) put_in_bucket(std::move(entry));
    from.clear();
  }

  // The heap in front has grown too large: everything in front goes to buckets, and so does every push until
  // the next pop has made a new front.
  void spill() {
    rebase(static_cast<uint64_t>(last_time_.ns));
    for (Entry& entry : heap_.take_all()) put_in_bucket(std::move(entry));
    for (Entry& entry : run_) put_in_bucket(std::move(entry));
    run_.clear();
    limit_ = base_;
  }

  // Makes `base` what buckets differ from. As a rule nothing moves. Only when events earlier than base_ were
  // pushed before the next pop may the new base be lower in a bit above some buckets, which then become one.
  // Requires: base is at or before every event in the buckets.
  void rebase(uint64_t base) {
    const auto bucket = static_cast<unsigned>(std::bit_width(base ^ base_));
    base_ = base;
    const uint64_t below = filled_ & ((uint64_t{1} << bucket) - 1);
    filled_ ^= below;
    for (unsigned b = 0; b < bucket; ++b) {
      for (Entry& entry : buckets_[b]) put_in_bucket(std::move(entry));
      buckets_[b].clear();
    }
  }

  size_t size_ = 0;
  uint64_t limit_ = kNoLimit;  // everything earlier is in front
  uint64_t base_ = 0;          // what buckets differ from; at or before every event in them
  size_t heap_allowed_ = kHeapMost;
  FourAryHeap<Entry> heap_;
  std::vector<Entry> run_;  // descending, so that the next event is at the back
  std::array<std::vector<Entry>, 64> buckets_;
  uint64_t filled_ = 0;  // bit b: bucket b is not empty
  Time last_time_;
  Key last_key_ = ~Key{0};  // of the last pop; no event has this one, times being below 2^63
};

}  // namespace cotenant
