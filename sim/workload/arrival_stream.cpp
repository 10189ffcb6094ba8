#include "sim/workload/arrival_stream.h"

#include <algorithm>
#include <cmath>

#include "sim/core/math.h"
#include "sim/core/sampling.h"
#include "sim/workload/conversations.h"

namespace cotenant {
namespace {

constexpr int64_t kHoursPerWeek = 168;

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

// Walks the spans of constant rate of one day up to the horizon, in order.
class RateWalk {
 public:
  RateWalk(const DemandSource& source, PhiloxKey key, int64_t day, Time horizon)
      : source_(source),
        modulation_(key, source.entity, Purpose::rate_modulation, static_cast<uint32_t>(day)),
        at_ns_(day * kDay.ns),
        end_ns_(std::min((day + 1) * kDay.ns, horizon.ns)) {}

  bool next(Segment& segment) {
    if (at_ns_ >= end_ns_) return false;
    const int64_t to = std::min(next_change(source_, at_ns_), end_ns_);
    segment = {at_ns_, to, rate()};
    at_ns_ = to;
    return true;
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
        factor_ = gamma(modulation_, shape, 1 / shape);
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
  RandomStream modulation_;
  int64_t at_ns_;
  int64_t end_ns_;
  int64_t window_ = -1;
  double factor_ = 1;
};

// Intervals of mean 1 in operational time.
class UnitProcess {
 public:
  UnitProcess(const DemandSource& source, PhiloxKey key, int64_t day)
      : stream_(key, source.entity, Purpose::arrivals, static_cast<uint32_t>(day)) {
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

}  // namespace

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
    at = to;
  }
  return source.conversations == nullptr ? expected : expected * source.conversations->mean_turns();
}

ArrivalStream::ArrivalStream(std::vector<DemandSource> sources, std::vector<Arrival> listed, PhiloxKey key,
                             Duration horizon)
    : sources_(std::move(sources)), listed_(std::move(listed)), key_(key), end_{horizon.ns} {
  CHECK(horizon.ns > 0);
  numbers_.resize(sources_.size(), 0);
}

const Arrival* ArrivalStream::peek() {
  while (next_ == buffer_.size()) {
    if (day_ * kDay.ns >= end_.ns) return nullptr;
    make_day();
  }
  return &buffer_[next_];
}

void ArrivalStream::make_day() {
  buffer_.clear();
  buffer_.swap(pending_);
  next_ = 0;
  for (uint32_t source = 0; source < sources_.size(); ++source) {
    if (sources_[source].law != nullptr) make_source_day(source);
  }
  const int64_t day_end = (day_ + 1) * kDay.ns;
  for (; listed_next_ < listed_.size() && listed_[listed_next_].at.ns < day_end; ++listed_next_) {
    buffer_.push_back(listed_[listed_next_]);
  }
  std::stable_sort(buffer_.begin(), buffer_.end(), [](const Arrival& a, const Arrival& b) {
    return a.at != b.at ? a.at < b.at : a.source < b.source;
  });
  const auto later = std::partition_point(buffer_.begin(), buffer_.end(),
                                          [&](const Arrival& a) { return a.at.ns < day_end; });
  pending_.assign(later, buffer_.end());
  buffer_.erase(later, buffer_.end());
  for (Arrival& a : buffer_) {
    if (sources_[a.source].law != nullptr) a.number = numbers_[a.source]++;
  }
  ++day_;
}

void ArrivalStream::make_source_day(uint32_t index) {
  const DemandSource& source = sources_[index];
  if (source.starts.ns >= (day_ + 1) * kDay.ns || source.law->rate_per_s <= 0) return;
  const auto day = static_cast<uint32_t>(day_);
  RandomStream prompts(key_, source.entity, Purpose::prompt_length, day);
  RandomStream outputs(key_, source.entity, Purpose::output_length, day);
  RandomStream sessions(key_, source.entity, Purpose::session, day);
  UnitProcess process(source, key_, day_);
  RateWalk walk(source, key_, day_, end_);
  double due = process.first();  // operational time still to pass before the next arrival
  for (Segment segment; walk.next(segment);) {
    const double span_s = static_cast<double>(segment.to_ns - segment.from_ns) * 1e-9;
    while (due < segment.rate_per_s * span_s) {
      const double offset_ns = due / segment.rate_per_s * 1e9;
      const Time at{std::min(segment.from_ns + static_cast<int64_t>(offset_ns), segment.to_ns - 1)};
      if (source.conversations != nullptr) {
        const uint64_t session = sessions.bits();
        if (at >= source.starts)
          source.conversations->append_session({at, end_, index, source.entity, session}, buffer_);
      } else {
        const int64_t prompt = draw_length(prompts, *source.prompt);
        const int64_t output = draw_length(outputs, *source.output);
        if (at >= source.starts)
          buffer_.push_back({at, index, 0, static_cast<int32_t>(prompt), static_cast<int32_t>(output), {}});
      }
      due += process.next();
    }
    due -= segment.rate_per_s * span_s;
  }
}

}  // namespace cotenant
