// Public: LogFigures, quantile_of.
#include "sim/fit/log_figures.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "sim/core/check.h"
#include "sim/core/math.h"
#include "sim/core/philox.h"
#include "sim/stats/interval.h"

namespace cotenant {
namespace {

constexpr size_t kGroupRequests = 50;  // a quarter has at least as many, or it is a larger part
constexpr double kCut = 0.05;          // of a trimmed mean, at each end
constexpr double kLeastS = 1e-6;       // a time of nothing has no logarithm
constexpr uint64_t kSeed = 1;

double log_time(double s) {
  return log_of(std::max(s, kLeastS));
}

// Requires: sorted, not empty.
double trimmed_mean(const Vector& sorted) {
  const auto cut = static_cast<size_t>(kCut * static_cast<double>(sorted.size()));
  double sum = 0;
  for (size_t i = cut; i < sorted.size() - cut; ++i) sum += sorted[i];
  return sum / static_cast<double>(sorted.size() - 2 * cut);
}

double median(Vector values) {
  std::sort(values.begin(), values.end());
  return quantile_of(values, 0.5);
}

// What was sent within a span around each request, of the whole log.
class SentAround {
 public:
  explicit SentAround(const RequestLog& log) : log_(log) {
    tokens_.push_back(0);
    for (const LoggedRequest& r : log.requests) tokens_.push_back(tokens_.back() + r.prompt);
  }
  // Requests, and their prompt tokens, sent in [from, to].
  [[nodiscard]] double requests(double from_s, double to_s) const {
    return static_cast<double>(place(to_s) - place(from_s));
  }
  [[nodiscard]] double tokens(double from_s, double to_s) const {
    return tokens_[place(to_s)] - tokens_[place(from_s)];
  }

 private:
  [[nodiscard]] size_t place(double at_s) const {
    const auto later = std::partition_point(log_.requests.begin(), log_.requests.end(),
                                            [&](const LoggedRequest& r) { return seconds(r.sent) <= at_s; });
    return static_cast<size_t>(later - log_.requests.begin());
  }
  const RequestLog& log_;
  Vector tokens_;  // of all before
};

}  // namespace

double quantile_of(const Vector& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<size_t>(at);
  const size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (at - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

LogFigures::LogFigures(const LogReplay& replay, std::vector<size_t> requests)
    : replay_(replay), requests_(std::move(requests)) {
  CHECK(requests_.size() >= 2);
  Vector ttft;
  Vector e2e;
  for (const size_t r : requests_) {
    ttft.push_back(replay.measured(r).ttft_s);
    e2e.push_back(replay.measured(r).e2e_s);
  }
  const double first_s = median(ttft);
  const double whole_s = median(e2e);
  const SentAround sent(replay.logged());
  Vector prompt;
  Vector before;
  Vector around;
  Vector after;
  for (const size_t r : requests_) {
    const LoggedRequest& own = replay.logged().requests[r];
    const double at_s = seconds(own.sent);
    prompt.push_back(own.prompt);
    before.push_back(sent.tokens(at_s - first_s, at_s));
    around.push_back(sent.requests(at_s - whole_s, at_s + whole_s));
    after.push_back(sent.tokens(at_s, at_s + whole_s));
  }
  group(Metric::ttft, prompt);
  group(Metric::ttft, before);
  group(Metric::ttft, around);
  group(Metric::tpot, around);
  group(Metric::tpot, after);
  group_tenants();
}

// Quarters of the requests in order of `by`; halves or one group where they are few.
void LogFigures::group(Metric metric, const Vector& by) {
  std::vector<uint32_t> order;
  for (uint32_t i = 0; i < requests_.size(); ++i) {
    if (metric != Metric::tpot || replay_.logged().requests[requests_[i]].output > 1) order.push_back(i);
  }
  if (order.empty()) return;
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return by[a] < by[b]; });
  const size_t groups = std::clamp<size_t>(order.size() / kGroupRequests, 1, 4);
  for (size_t g = 0; g < groups; ++g) {
    Figure figure{.metric = metric, .places = {}};
    for (size_t i = g * order.size() / groups; i < (g + 1) * order.size() / groups; ++i)
      figure.places.push_back(order[i]);
    figures_.push_back(std::move(figure));
  }
}

void LogFigures::group_tenants() {
  std::vector<std::vector<uint32_t>> of(replay_.logged().tenants.size());
  for (uint32_t i = 0; i < requests_.size(); ++i) {
    of[replay_.logged().requests[requests_[i]].tenant].push_back(i);
  }
  for (const std::vector<uint32_t>& places : of) {
    if (places.size() < kTenantRequests) continue;
    for (const Metric metric : {Metric::ttft, Metric::e2e}) {
      for (const double q : {0.5, 0.9, 0.99}) {
        if (q > 0.95 && !quantile_is_estimable(q, static_cast<int64_t>(places.size()))) continue;
        figures_.push_back({.metric = metric, .quantile = q, .places = places});
      }
    }
  }
}

LogFigures::Values LogFigures::values(const std::vector<RequestTimes>& times) const {
  Values v;
  for (const size_t r : requests_) {
    const RequestTimes& t = times[r];
    const double further = std::max<double>(replay_.logged().requests[r].output - 1, 1);
    v[static_cast<size_t>(Metric::ttft)].push_back(log_time(t.ttft_s));
    v[static_cast<size_t>(Metric::tpot)].push_back(log_time((t.e2e_s - t.ttft_s) / further));
    v[static_cast<size_t>(Metric::e2e)].push_back(log_time(t.e2e_s));
  }
  return v;
}

// `copies`: how often each request counts.
Vector LogFigures::of(const Values& values, const std::vector<uint32_t>& copies) const {
  Vector out;
  Vector drawn;
  for (const Figure& figure : figures_) {
    const Vector& v = values[static_cast<size_t>(figure.metric)];
    drawn.clear();
    for (const uint32_t place : figure.places) drawn.insert(drawn.end(), copies[place], v[place]);
    if (drawn.empty()) drawn.push_back(v[figure.places.front()]);  // drawn by nobody: a block's whole group
    std::sort(drawn.begin(), drawn.end());
    out.push_back(figure.quantile > 0 ? quantile_of(drawn, figure.quantile) : trimmed_mean(drawn));
  }
  return out;
}

Vector LogFigures::of(const std::vector<RequestTimes>& times) const {
  return of(values(times), std::vector<uint32_t>(requests_.size(), 1));
}

Matrix LogFigures::noise(const std::vector<RequestTimes>& a, const std::vector<RequestTimes>& b) const {
  const Values va = values(a);
  const Values vb = values(b);
  const size_t n = requests_.size();
  const size_t blocks = std::min(kBlocks, n);
  RandomStream draws(stream_key(kSeed, 0), 0, Purpose::sampling);
  Matrix differences;
  for (size_t s = 0; s < kResamples; ++s) {
    std::vector<uint32_t> copies(n, 0);
    for (size_t k = 0; k < blocks; ++k) {
      const auto block = static_cast<size_t>(draws.uniform() * static_cast<double>(blocks));
      for (size_t i = block * n / blocks; i < (block + 1) * n / blocks; ++i) ++copies[i];
    }
    const Vector of_a = of(va, copies);
    Vector d = of(vb, copies);
    for (size_t k = 0; k < d.size(); ++k) d[k] -= of_a[k];
    differences.push_back(std::move(d));
  }
  Vector mean(size(), 0);
  for (const Vector& d : differences) {
    for (size_t k = 0; k < d.size(); ++k) mean[k] += d[k] / static_cast<double>(kResamples);
  }
  Matrix covariance(size(), Vector(size(), 0));
  for (const Vector& d : differences) {
    for (size_t i = 0; i < d.size(); ++i) {
      for (size_t j = 0; j < d.size(); ++j)
        covariance[i][j] += (d[i] - mean[i]) * (d[j] - mean[j]) / static_cast<double>(kResamples - 1);
    }
  }
  return covariance;
}

}  // namespace cotenant
