#include "sim/workload/arrival_stream.h"

#include <algorithm>
#include <cmath>

#include "sim/core/math.h"
#include "sim/core/sampling.h"
#include "sim/workload/conversations.h"

namespace cotenant {
namespace {

constexpr int64_t kHoursPerWeek = 168;
// A slice should fit the second-level cache while it is sorted; longer days are cut into more slices.
constexpr double kArrivalsPerSlice = 16'384;
constexpr int64_t kMostSlices = 86'400;

double draw_part(RandomStream& stream, const LawPart& part) {
  switch (part.law) {
    case Law::fixed:
      return part.a;
    case Law::exponential:
      return exponential(stream, part.a);
    case Law::lognormal:
      return lognormal(stream, part.a, part.b);
    case Law::gamma:
      return gamma(stream, part.a, part.b);
    case Law::uniform:
      return part.a + (part.b - part.a) * stream.uniform();
    case Law::geometric:
      return part.a > 1 ? 1 + std::floor(log_of(stream.uniform()) / log_of(1 - 1 / part.a)) : 1;
  }
  return part.a;
}

// A span of constant rate.
struct Segment {
  int64_t from_ns = 0;
  int64_t to_ns = 0;
  double rate_per_s = 0;
};

// The next instant after `at_ns` at which the source's rate may change.
int64_t next_change(const DemandSource& source, int64_t at_ns) {
  const ArrivalLaw& law = *source.law;
  int64_t next = (at_ns / kHour.ns + 1) * kHour.ns;
  if (law.kind == ArrivalKind::cox) next = std::min(next, (at_ns / law.window.ns + 1) * law.window.ns);
  if (law.kind == ArrivalKind::burst) {
    const int64_t cycle = law.on.ns + law.off.ns;
    const int64_t phase = std::max<int64_t>(at_ns - source.starts.ns, 0) % cycle;
    next = std::min(next, at_ns + (phase < law.on.ns ? law.on.ns - phase : cycle - phase));
  }
  if (at_ns < source.starts.ns) next = std::min(next, source.starts.ns);
  return next;
}

// Walks the spans of constant rate of one day up to the horizon, in order; those in the span of `change`
// alone, at its rate, if there is one.
class RateWalk {
 public:
  RateWalk(const DemandSource& source, PhiloxKey key, int64_t day, Time horizon, const DemandChange* change)
      : source_(source),
        change_(change),
        key_(key),
        at_ns_(day * kDay.ns),
        end_ns_(std::min((day + 1) * kDay.ns, horizon.ns)) {}

  bool next(Segment& segment) {
    while (at_ns_ < end_ns_) {
      const int64_t to = std::min(next_change(source_, at_ns_), end_ns_);
      segment = {at_ns_, to, rate()};
      at_ns_ = to;
      if (change_ == nullptr) return true;
      segment.from_ns = std::max(segment.from_ns, change_->from.ns);
      segment.to_ns = std::min(segment.to_ns, change_->until.ns);
      segment.rate_per_s *= change_->factor;
      if (segment.from_ns < segment.to_ns) return true;
    }
    return false;
  }

 private:
  double rate() {
    const ArrivalLaw& law = *source_.law;
    double rate =
        law.rate_per_s * source_.shape->factor[static_cast<size_t>(at_ns_ / kHour.ns % kHoursPerWeek)];
    if (law.kind == ArrivalKind::cox) {
      const int64_t window = at_ns_ / law.window.ns;
      if (window != window_) {
        window_ = window;
        const double shape = 1 / (law.cv * law.cv);
        RandomStream modulation(key_, source_.entity, Purpose::rate_modulation,
                                static_cast<uint32_t>(window));
        factor_ = gamma(modulation, shape, 1 / shape);
      }
      rate *= factor_;
    }
    if (law.kind == ArrivalKind::burst) {
      const int64_t phase = std::max<int64_t>(at_ns_ - source_.starts.ns, 0) % (law.on.ns + law.off.ns);
      if (phase >= law.on.ns) rate = 0;
    }
    return rate;
  }

  const DemandSource& source_;
  const DemandChange* change_;
  PhiloxKey key_;
  int64_t at_ns_;
  int64_t end_ns_;
  int64_t window_ = -1;
  double factor_ = 1;
};

// Intervals of mean 1 in operational time.
class UnitProcess {
 public:
  UnitProcess(const DemandSource& source, PhiloxKey key, uint32_t epoch)
      : stream_(key, source.entity, Purpose::arrivals, epoch) {
    if (source.law->kind == ArrivalKind::gamma) shape_ = 1 / (source.law->cv * source.law->cv);
  }
  double first() {
    if (shape_ == 0) return exponential(stream_, 1);
    const double biased = gamma(stream_, shape_ + 1, 1 / shape_);
    return biased * stream_.uniform();
  }
  double next() { return shape_ == 0 ? exponential(stream_, 1) : gamma(stream_, shape_, 1 / shape_); }

 private:
  RandomStream stream_;
  double shape_ = 0;  // 0 = exponential intervals
};

// What of the span of `change` lies in [from, to).
Duration overlap(const DemandChange& change, int64_t from_ns, int64_t to_ns) {
  return {std::max<int64_t>(std::min(to_ns, change.until.ns) - std::max(from_ns, change.from.ns), 0)};
}

}  // namespace

int64_t prompt_under(const std::vector<DemandChange>* changes, Time at, int64_t drawn) {
  if (changes == nullptr) return drawn;
  for (const DemandChange& change : *changes) {
    if (change.prompt > 0 && change.holds(at)) return change.prompt;
  }
  return drawn;
}

int64_t draw_length(RandomStream& stream, const LengthLaw& law) {
  if (law.parts.empty()) return 0;
  const LawPart* part = &law.parts.front();
  if (law.parts.size() > 1) {
    double total = 0;
    for (const LawPart& p : law.parts) total += p.weight;
    double at = stream.uniform() * total;
    for (const LawPart& p : law.parts) {
      part = &p;
      at -= p.weight;
      if (at < 0) break;
    }
  }
  const double drawn = std::floor(draw_part(stream, *part) + 0.5);
  if (!(drawn > static_cast<double>(law.minimum))) return law.minimum;
  return drawn < static_cast<double>(law.maximum) ? static_cast<int64_t>(drawn) : law.maximum;
}

double expected_arrivals(const DemandSource& source, Duration horizon) {
  double expected = 0;
  for (int64_t at = source.starts.ns; at < horizon.ns;) {
    const int64_t to = std::min(next_change(source, at), horizon.ns);
    const ArrivalLaw& law = *source.law;
    double rate = law.rate_per_s * source.shape->factor[static_cast<size_t>(at / kHour.ns % kHoursPerWeek)];
    if (law.kind == ArrivalKind::burst) {
      const int64_t phase = (at - source.starts.ns) % (law.on.ns + law.off.ns);
      if (phase >= law.on.ns) rate = 0;
    }
    expected += rate * seconds(Duration{to - at});
    for (size_t c = 0; source.changes != nullptr && c < source.changes->size(); ++c) {
      const DemandChange& change = (*source.changes)[c];
      expected += rate * (change.factor - 1) * seconds(overlap(change, at, to));
    }
    at = to;
  }
  return source.conversations == nullptr ? expected : expected * source.conversations->mean_turns();
}

// The arrivals of one source in one day, made in order as far as asked for. Draws depend on the day alone,
// not on the steps in which it is made.
class ArrivalStream::SourceDay {
 public:
  // `change`: which of the source's spans this is, by its number; -1 = the usual arrivals.
  struct Which {
    uint32_t index = 0;  // of the source
    int64_t day = 0;
    int change = -1;
    [[nodiscard]] uint32_t epoch() const {
      return static_cast<uint32_t>(change + 1) << 20U | static_cast<uint32_t>(day);
    }
  };
  SourceDay(const DemandSource& source, const Which& which, PhiloxKey key, Time end)
      : source_(&source),
        index_(which.index),
        usual_(which.change < 0),
        end_(end),
        prompts_(key, source.entity, Purpose::prompt_length, which.epoch()),
        outputs_(key, source.entity, Purpose::output_length, which.epoch()),
        sessions_(key, source.entity, Purpose::session, which.epoch()),
        process_(source, key, which.epoch()),
        walk_(source, key, which.day, end,
              usual_ ? nullptr : &(*source.changes)[static_cast<size_t>(which.change)]),
        due_(process_.first()) {
    find_next();
  }

  // Appends what arrives before `until`; later turns of sessions that begin before it also.
  void append_until(int64_t until_ns, std::vector<Arrival>& out) {
    while (next_ns_ < until_ns) {
      append(Time{next_ns_}, out);
      due_ += process_.next();
      find_next();
    }
  }

 private:
  // Whether another process has the place of the usual one.
  [[nodiscard]] bool replaced(Time at) const {
    if (!usual_ || source_->changes == nullptr) return false;
    return std::any_of(source_->changes->begin(), source_->changes->end(),
                       [at](const DemandChange& c) { return c.factor != 1 && c.holds(at); });
  }

  void append(Time at, std::vector<Arrival>& out) {
    const bool counts = at >= source_->starts && !replaced(at);
    if (source_->conversations != nullptr) {
      const uint64_t session = sessions_.bits();
      if (counts)
        source_->conversations->append_session({at, end_, index_, source_->entity, session, source_->changes},
                                               out);
      return;
    }
    const int64_t prompt = prompt_under(source_->changes, at, draw_length(prompts_, *source_->prompt));
    const int64_t output = draw_length(outputs_, *source_->output);
    if (counts)
      out.push_back({at, index_, 0, static_cast<int32_t>(prompt), static_cast<int32_t>(output), {}});
  }

  // Moves on to the segment in which `due_`, the operational time to pass from its beginning, is over.
  void find_next() {
    for (;;) {
      const double span_s = static_cast<double>(segment_.to_ns - segment_.from_ns) * 1e-9;
      if (due_ < segment_.rate_per_s * span_s) break;
      due_ -= segment_.rate_per_s * span_s;
      if (!walk_.next(segment_)) {
        next_ns_ = INT64_MAX;
        return;
      }
    }
    const double offset_ns = due_ / segment_.rate_per_s * 1e9;
    next_ns_ = std::min(segment_.from_ns + static_cast<int64_t>(offset_ns), segment_.to_ns - 1);
  }

  const DemandSource* source_;
  uint32_t index_;
  bool usual_;
  Time end_;
  RandomStream prompts_;
  RandomStream outputs_;
  RandomStream sessions_;
  UnitProcess process_;
  RateWalk walk_;
  Segment segment_;  // at first empty
  double due_;
  int64_t next_ns_ = 0;
};

ArrivalStream::ArrivalStream(std::vector<DemandSource> sources, std::vector<Arrival> listed, PhiloxKey key,
                             Duration horizon)
    : sources_(std::move(sources)), listed_(std::move(listed)), key_(key), end_{horizon.ns} {
  CHECK(horizon.ns > 0);
  numbers_.resize(sources_.size(), 0);
  double a_day = 0;
  for (const DemandSource& source : sources_) {
    if (source.law == nullptr) continue;
    const double turns = source.conversations == nullptr ? 1 : source.conversations->mean_turns();
    a_day += source.law->rate_per_s * turns * seconds(kDay);
  }
  const auto wanted =
      static_cast<int64_t>(std::min(a_day / kArrivalsPerSlice, static_cast<double>(kMostSlices)));
  while (slices_ < wanted) slices_ *= 2;
}

ArrivalStream::~ArrivalStream() = default;

const Arrival* ArrivalStream::peek() {
  while (next_ == order_.size()) {
    if (slice_ / slices_ * kDay.ns >= end_.ns) return nullptr;
    make_slice();
  }
  return &buffer_[order_[next_].index];
}

void ArrivalStream::begin_day() {
  const int64_t day = slice_ / slices_;
  made_.clear();
  for (uint32_t i = 0; i < sources_.size(); ++i) {
    const DemandSource& source = sources_[i];
    const bool asks = source.law != nullptr && source.law->rate_per_s > 0;
    if (!asks || source.starts.ns >= (day + 1) * kDay.ns) continue;
    made_.emplace_back(source, SourceDay::Which{i, day}, key_, end_);
    const auto changes = static_cast<int>(source.changes == nullptr ? 0 : source.changes->size());
    for (int c = 0; c < changes; ++c) {
      const DemandChange& change = (*source.changes)[static_cast<size_t>(c)];
      if (change.factor != 1 && overlap(change, day * kDay.ns, (day + 1) * kDay.ns).ns > 0)
        made_.emplace_back(source, SourceDay::Which{i, day, c}, key_, end_);
    }
  }
}

void ArrivalStream::make_slice() {
  if (slice_ % slices_ == 0) begin_day();
  const int64_t in_day = slice_ % slices_ + 1;
  const int64_t slice_end_ns =
      slice_ / slices_ * kDay.ns + kDay.ns / slices_ * in_day + (in_day == slices_ ? kDay.ns % slices_ : 0);
  buffer_.clear();
  buffer_.swap(pending_);
  for (SourceDay& source : made_) source.append_until(slice_end_ns, buffer_);
  for (; listed_next_ < listed_.size() && listed_[listed_next_].at.ns < slice_end_ns; ++listed_next_) {
    buffer_.push_back(listed_[listed_next_]);
  }
  sort_slice(slice_end_ns);
  ++slice_;
}

// Puts the slice in order and numbers it; what comes after it waits.
void ArrivalStream::sort_slice(int64_t slice_end_ns) {
  order_.clear();
  next_ = 0;
  for (uint32_t i = 0; i < buffer_.size(); ++i) {
    const Arrival& a = buffer_[i];
    if (a.at.ns < slice_end_ns) {
      order_.push_back({a.at.ns, a.source, i});
    } else {
      pending_.push_back(a);
    }
  }
  std::sort(order_.begin(), order_.end());
  for (const Place& place : order_) {
    if (sources_[place.source].law != nullptr) buffer_[place.index].number = numbers_[place.source]++;
  }
}

}  // namespace cotenant
