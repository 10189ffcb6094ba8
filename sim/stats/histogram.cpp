#include "sim/stats/histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace cotenant {

Histogram::Bucket Histogram::bounds(size_t bucket) {
  const size_t octave = bucket / kPerOctave;
  const unsigned shift = octave <= 1 ? 0 : static_cast<unsigned>(octave - 1);
  const auto top = static_cast<int64_t>(bucket - shift * kPerOctave);
  const int64_t low = top << shift;
  return {low, low + ((int64_t{1} << shift) - 1), 0};
}

int64_t Histogram::middle(size_t bucket) {
  const Bucket b = bounds(bucket);
  return b.low + (b.high - b.low) / 2;
}

// Makes counts_ cover the octave of `value`.
void Histogram::cover(int64_t value) {
  const size_t octave = bucket_of(value) / kPerOctave * kPerOctave;
  if (counts_.empty()) {
    first_bucket_ = octave;
    counts_.resize(kPerOctave);
  } else if (octave < first_bucket_) {
    counts_.insert(counts_.begin(), first_bucket_ - octave, 0);
    first_bucket_ = octave;
  } else {
    counts_.resize(std::max(counts_.size(), octave + kPerOctave - first_bucket_));
  }
}

void Histogram::merge(const Histogram& other) {
  if (other.count_ == 0) return;
  cover(other.min_);
  cover(other.max_);
  const size_t shift = other.first_bucket_ - first_bucket_;
  for (size_t i = 0; i < other.counts_.size(); ++i) counts_[shift + i] += other.counts_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

double Histogram::mean() const {
  if (count_ == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(sum_) / static_cast<double>(count_);
}

int64_t Histogram::min() const {
  CHECK(count_ > 0);
  return min_;
}

int64_t Histogram::max() const {
  CHECK(count_ > 0);
  return max_;
}

int64_t Histogram::quantile(double p) const {
  CHECK(count_ > 0 && p >= 0 && p <= 1);
  // 0.07 * 100 is a little above 7 in binary: what is that close to a whole number is meant to be one.
  const double share = p * static_cast<double>(count_);
  const double rank = std::ceil(share - share * 0x1p-50);
  if (rank <= 1) return min_;
  if (rank >= static_cast<double>(count_)) return max_;
  uint64_t left = static_cast<uint64_t>(rank);
  size_t i = 0;
  while (counts_[i] < left) left -= counts_[i++];
  return std::clamp(middle(first_bucket_ + i), min_, max_);
}

uint64_t Histogram::count_up_to(int64_t limit) const {
  uint64_t below = 0;
  for (size_t i = 0; i < counts_.size() && middle(first_bucket_ + i) <= limit; ++i) below += counts_[i];
  return below;
}

std::vector<Histogram::Bucket> Histogram::buckets() const {
  std::vector<Bucket> filled;
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] == 0) continue;
    filled.push_back(bounds(first_bucket_ + i));
    filled.back().count = counts_[i];
  }
  return filled;
}

}  // namespace cotenant
