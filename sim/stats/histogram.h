#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/core/check.h"

namespace cotenant {

// How often each value occurred, for whole numbers from 0 up (nanoseconds, tokens, bytes). Below 512 exact;
// above, 256 buckets for each doubling, so that a bucket's middle is within 1/512 (0.2 %) of every value in
// it. The same log-linear layout as HdrHistogram (hdrhistogram.org). Memory covers the doublings between the
// least and the greatest value, 2 KiB each, 112 KiB at most, however many values there are. Merging is exact:
// the histogram of all values is the merged histogram, in whatever order. One owner, one thread.
class Histogram {
 public:
  // Requires: value >= 0.
  void add(int64_t value, uint64_t count = 1) {
    CHECK(value >= 0);
    if (count == 0) return;
    const size_t slot = bucket_of(value) - first_bucket_;  // wraps to a huge number below the range
    if (slot >= counts_.size()) {
      cover(value);
      add(value, count);
      return;
    }
    counts_[slot] += count;
    count_ += count;
    sum_ += static_cast<__int128>(value) * static_cast<__int128>(count);
    if (value < min_) min_ = value;
    if (value > max_) max_ = value;
  }
  void merge(const Histogram& other);

  [[nodiscard]] uint64_t count() const { return count_; }
  // The exact sum. Holds 2^64 values of 2^63.
  [[nodiscard]] __int128 sum() const { return sum_; }
  // The mean, rounded once; NaN if empty.
  [[nodiscard]] double mean() const;
  // The exact least and greatest value. Requires: count() > 0.
  [[nodiscard]] int64_t min() const;
  [[nodiscard]] int64_t max() const;

  // The value of rank ceil(p count): the least v such that a share p of the values is <= v. Exact below 512,
  // else the middle of the bucket, at most max() and at least min(). p = 0 is the minimum, p = 1 the maximum.
  // Requires: count() > 0, 0 <= p <= 1.
  [[nodiscard]] int64_t quantile(double p) const;
  // How many values are <= limit, where values of limit's own bucket count as below it if the bucket's middle
  // is.
  [[nodiscard]] uint64_t count_up_to(int64_t limit) const;

  // The filled buckets in rising order: the values low .. high, inclusive.
  struct Bucket {
    int64_t low;
    int64_t high;
    uint64_t count;
    friend bool operator==(const Bucket&, const Bucket&) = default;
  };
  [[nodiscard]] std::vector<Bucket> buckets() const;

  // Equal if they hold the same buckets, sum, minimum and maximum; never depends on the order of adding.
  friend bool operator==(const Histogram&, const Histogram&) = default;

 private:
  static constexpr unsigned kLinearBits = 8;  // 2^8 buckets for each doubling
  static constexpr size_t kPerOctave = size_t{1} << kLinearBits;

  // Values below 2^9 are their own bucket; above, the top 9 bits count and the rest is the bucket's width.
  static size_t bucket_of(int64_t value) {
    const auto v = static_cast<uint64_t>(value);
    const auto width = static_cast<unsigned>(std::bit_width(v | (kPerOctave - 1)));
    const unsigned shift = width - (kLinearBits + (width > kLinearBits ? 1U : 0U));
    return shift * kPerOctave + (v >> shift);
  }
  static Bucket bounds(size_t bucket);
  static int64_t middle(size_t bucket);
  void cover(int64_t value);

  std::vector<uint64_t> counts_;  // whole octaves, from that of the minimum to that of the maximum
  size_t first_bucket_ = 0;       // the bucket of counts_[0]
  uint64_t count_ = 0;
  __int128 sum_ = 0;
  int64_t min_ = INT64_MAX;
  int64_t max_ = -1;
};

}  // namespace cotenant
