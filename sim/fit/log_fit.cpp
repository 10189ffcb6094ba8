// Public: fit_to_log, compare.
#include "sim/fit/log_fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/core/math.h"
#include "sim/fit/least_squares.h"
#include "sim/fit/log_figures.h"
#include "sim/fit/response_surface.h"
#include "sim/stats/interval.h"

namespace cotenant {
namespace {

constexpr double kLeastNoise = 0.01;
constexpr double kNormal975 = 1.959964;
constexpr double kFarBelow = 8;      // spreads below the start: where the search stops
constexpr double kCoarseStep = 0.3;  // of difference quotients, in spreads
constexpr double kBox = 0.5;         // half of what a surface covers, in spreads
constexpr double kFineStep = 0.1;    // of that half
constexpr size_t kPoints = 400;      // of a surface
constexpr int kRounds = 3;

// The fit of one log in the logarithms of its parameters, relative to their starts.
class Fit {
 public:
  Fit(const LogFitQuestion& question, std::vector<size_t> requests)
      : q_(question), figures_(*question.replay, std::move(requests)) {
    for (size_t i = 0; i < q_.replay->logged().requests.size(); ++i) {
      const bool answered = q_.replay->logged().requests[i].answered();
      measured_.push_back(answered ? q_.replay->measured(i) : RequestTimes{});
    }
    goal_ = figures_.of(measured_);
  }

  LogFit run() {
    Vector x(q_.parameters.size(), 0);
    weigh(x);
    LeastSquaresFit found = least_squares(coarse(), x);
    for (int round = 0; round < kRounds; ++round) {
      weigh(found.x);
      found = fine(found.x);
    }
    return answer(found);
  }

 private:
  [[nodiscard]] std::vector<double> values_of(const Vector& x) const {
    std::vector<double> values;
    for (size_t j = 0; j < x.size(); ++j) {
      const FitParameter& p = q_.parameters[j];
      values.push_back(std::min(p.start * exp_of(x[j]), p.most));
    }
    return values;
  }

  std::vector<RequestTimes> simulate(const Vector& x) {
    ++simulations_;
    Result<std::vector<RequestTimes>> times = q_.replay->run(q_.profile_of(values_of(x)));
    CHECK_MSG(times.ok(), "what runs at the start runs with other times");
    return std::move(times).value();
  }

  // Finds how far off each figure may be by chance. What the model is off by is half its own, half that of
  // its metric.
  void weigh(const Vector& x) {
    noise_ = figures_.noise(measured_, simulate(x));
    for (size_t k = 0; k < noise_.size(); ++k) {
      for (size_t l = 0; l < noise_.size(); ++l) {
        if (figures_.alike(k, l)) noise_[k][l] += kLeastNoise * kLeastNoise * (k == l ? 1 : 0.5);
      }
    }
  }

  // How far off the figures are, in their noise, and the parameters from what is typical.
  [[nodiscard]] Vector residuals(Vector figures, const Vector& x) const {
    for (size_t k = 0; k < figures.size(); ++k)
      figures[k] = (figures[k] - goal_[k]) / std::sqrt(noise_[k][k]);
    for (size_t j = 0; j < x.size(); ++j) figures.push_back(x[j] / q_.parameters[j].spread);
    return figures;
  }

  // Over all that parameters may be.
  LeastSquares coarse() {
    LeastSquares problem;
    for (const FitParameter& p : q_.parameters) {
      problem.lower.push_back(-kFarBelow * p.spread);
      problem.upper.push_back(std::min(log_of(p.most / p.start), kFarBelow * p.spread));
      problem.step.push_back(kCoarseStep * p.spread);
    }
    problem.residuals = [this](const Vector& x) { return residuals(figures_.of(simulate(x)), x); };
    return problem;
  }

  // Around x, on figures made smooth: where a request falls in a step makes single simulations rough.
  LeastSquaresFit fine(const Vector& x) {
    LeastSquares problem = coarse();
    for (size_t j = 0; j < x.size(); ++j) {
      const double half = kBox * q_.parameters[j].spread;
      problem.lower[j] = std::max(problem.lower[j], x[j] - half);
      problem.upper[j] = std::min(problem.upper[j], x[j] + half);
      problem.step[j] = kFineStep * half;
    }
    const ResponseSurface surface([this](const Vector& at) { return figures_.of(simulate(at)); },
                                  problem.lower, problem.upper, kPoints);
    problem.residuals = [&](const Vector& at) { return residuals(surface.at(at), at); };
    return least_squares(problem, x);
  }

  // (J'J)^-1 J' O J (J'J)^-1: J with the rows of what is typical, O the covariance of all rows.
  [[nodiscard]] Matrix covariance(const Matrix& jacobian) const {
    const size_t n = q_.parameters.size();
    const size_t figures = noise_.size();
    const auto correlation = [&](size_t k, size_t l) {
      if (k >= figures || l >= figures) return k == l ? 1.0 : 0.0;
      return noise_[k][l] / std::sqrt(noise_[k][k] * noise_[l][l]);
    };
    Matrix square(n, Vector(n, 0));
    Matrix middle(n, Vector(n, 0));
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) {
        for (size_t k = 0; k < jacobian.size(); ++k) {
          square[i][j] += jacobian[k][i] * jacobian[k][j];
          for (size_t l = 0; l < jacobian.size(); ++l)
            middle[i][j] += jacobian[k][i] * correlation(k, l) * jacobian[l][j];
        }
      }
    }
    const Matrix inverse = inverse_definite(square);
    Matrix out(n, Vector(n, 0));
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) {
        for (size_t k = 0; k < n; ++k) {
          for (size_t l = 0; l < n; ++l) out[i][j] += inverse[i][k] * middle[k][l] * inverse[l][j];
        }
      }
    }
    return out;
  }

  [[nodiscard]] LogFit answer(const LeastSquaresFit& found) const {
    LogFit fit{.parameters = {}, .simulations = simulations_, .converged = found.converged};
    double sum = 0;
    for (size_t k = 0; k < noise_.size(); ++k) sum += found.residuals[k] * found.residuals[k];
    fit.misfit = std::sqrt(sum / static_cast<double>(noise_.size()));
    const Matrix spread = covariance(found.jacobian);
    const std::vector<double> values = values_of(found.x);
    for (size_t j = 0; j < values.size(); ++j) {
      const FitParameter& p = q_.parameters[j];
      const double error = std::sqrt(spread[j][j]);
      const double factor = exp_of(kNormal975 * error);
      fit.parameters.push_back({.value = values[j],
                                .low = values[j] / factor,
                                .high = std::min(values[j] * factor, p.most),
                                .identified = error < p.spread / 2,
                                .at_limit = values[j] >= p.most * (1 - 1e-9)});
    }
    return fit;
  }

  const LogFitQuestion& q_;
  LogFigures figures_;
  std::vector<RequestTimes> measured_;
  Vector goal_;
  Matrix noise_;
  int simulations_ = 0;
};

LogComparison compared(Vector measured, Vector predicted, double q) {
  std::sort(measured.begin(), measured.end());
  std::sort(predicted.begin(), predicted.end());
  LogComparison c{.tenant = {}, .metric = {}, .quantile = q, .requests = measured.size()};
  c.measured_s = quantile_of(measured, q);
  c.predicted_s = quantile_of(predicted, q);
  const RankInterval ranks = quantile_ranks(static_cast<int64_t>(measured.size()), q);
  c.estimable = ranks.low > 0;
  if (!c.estimable || c.measured_s <= 0) return c;
  const double width =
      measured[static_cast<size_t>(ranks.high - 1)] - measured[static_cast<size_t>(ranks.low - 1)];
  c.half_width = width / 2 / c.measured_s;
  return c;
}

}  // namespace

Result<LogFit> fit_to_log(const LogFitQuestion& question) {
  const RequestLog& log = question.replay->logged();
  std::vector<size_t> requests;
  for (size_t i = 0; i < log.requests.size(); ++i) {
    if (log.requests[i].answered() && log.requests[i].sent < question.until) requests.push_back(i);
  }
  if (requests.size() < kFewestFitted) {
    Diagnostic d;
    d.message = fmt::format("{} answered requests to fit; {} are the fewest", requests.size(), kFewestFitted);
    d.help = "a longer log, or a later --fit-until";
    return d;
  }
  std::vector<double> start;
  for (const FitParameter& p : question.parameters) {
    CHECK(p.start > 0 && p.start <= p.most && p.spread > 0);
    start.push_back(p.start);
  }
  const Result<std::vector<RequestTimes>> first = question.replay->run(question.profile_of(start));
  if (!first.ok()) return first.problems();
  const size_t count = requests.size();
  LogFit fit = Fit(question, std::move(requests)).run();
  fit.requests = count;
  return fit;
}

std::vector<LogComparison> compare(const LogReplay& replay, const std::vector<RequestTimes>& predicted,
                                   Duration from) {
  const RequestLog& log = replay.logged();
  std::vector<LogComparison> rows;
  for (uint32_t t = 0; t < log.tenants.size(); ++t) {
    std::array<Vector, 2> real;
    std::array<Vector, 2> ours;
    for (size_t i = 0; i < log.requests.size(); ++i) {
      const LoggedRequest& r = log.requests[i];
      if (r.tenant != t || !r.answered() || r.sent < from) continue;
      const RequestTimes times = replay.measured(i);
      real[0].push_back(times.ttft_s);
      ours[0].push_back(predicted[i].ttft_s);
      real[1].push_back(times.e2e_s);
      ours[1].push_back(predicted[i].e2e_s);
    }
    if (real[0].empty()) continue;
    for (size_t m = 0; m < 2; ++m) {
      for (const double q : {0.5, 0.99}) {
        LogComparison row = compared(real[m], ours[m], q);
        row.tenant = log.tenants[t];
        row.metric = m == 0 ? "ttft" : "e2e";
        rows.push_back(std::move(row));
      }
    }
  }
  return rows;
}

}  // namespace cotenant
