// Oracles 3, 5, 6 and 11: whole scenarios of one scoring replica, whose instances are the servers.
#include <catch2/catch.hpp>

#include "tests/theory/queue_world.h"

using namespace cotenant;
using namespace cotenant::theory;

namespace {

std::vector<double> losses_by_replication(const RunResults& results) {
  std::vector<double> losses;
  for (const UnitRow& row : results.units)
    losses.push_back(static_cast<double>(row.dropped) / static_cast<double>(row.arrived));
  return losses;
}

// Who finds every server taken is turned away: a timeout of 1 ns.
Scenario erlang_loss(double load, const LengthLaw& rows, int64_t servers, double horizon_s) {
  Scenario s = scoring_queue(load, rows, servers, horizon_s);
  s.pools[0].queue_timeout = {1};
  s.warmup_auto = false;
  return s;
}

}  // namespace

// Erlang's first formula holds for every law of service: Sevastyanov, 1957.
TEST_CASE("oracle 3: requests are lost by Erlang B, whatever the law of service") {
  const Times apart{.slowdown = 1};
  for (const auto& [name, rows] :
       {std::pair{"exponential", exponential_steps()}, std::pair{"deterministic", fixed_steps()},
        std::pair{"lognormal", lognormal_steps(1)}}) {
    const RunResults r = run_queue(erlang_loss(8, rows, 10, 4'000), apart);
    require_mean(std::string("Erlang B, 10 servers, ") + name, losses_by_replication(r), 0.121661064253);
  }
  const RunResults r = run_queue(erlang_loss(20, exponential_steps(), 20, 1'500), apart);
  require_mean("Erlang B, 20 servers", losses_by_replication(r), 0.158891961542);
}

// Kleinrock, "Time-shared systems: a theoretical treatment", J. ACM 14, 1967; insensitivity: Sakata, Noguchi,
// Oizumi, 1969.
TEST_CASE("oracle 5: instances that share a device by time last as M/G/1 processor sharing says") {
  for (const auto& [name, rows, horizon_s] :
       {std::tuple{"deterministic", fixed_steps(), 30'000.0},
        std::tuple{"exponential", exponential_steps(), 60'000.0},
        std::tuple{"hyperexponential, cv2 = 4", hyperexponential_steps(), 140'000.0}}) {
    const RunResults r = run_queue(scoring_queue(0.8, rows, 300, horizon_s));
    require_mean(std::string("M/G/1-PS, ") + name, means_by_replication(r, "e2e"), 5);
  }
}

// p_K = (1 - r) r^K / (1 - r^(K + 1)), of which 1 is served.
TEST_CASE("oracle 6: a line of limited length loses and delays as M/M/1/K") {
  struct Row {
    int64_t places;
    double load;
    double loss;
    double time;
    double horizon_s;
  };
  for (const Row& q : {Row{10, 0.9, 0.0508137313, 4.6466006721, 60'000}, Row{5, 1, 1.0 / 6, 3, 20'000},
                       Row{20, 1.2, 0.1703699490, 15.5356530653, 30'000}}) {
    Scenario s = scoring_queue(q.load, exponential_steps(), 1, q.horizon_s);
    s.pools[0].max_queue = q.places - 1;
    const RunResults r = run_queue(s);
    const std::string what = "M/M/1/" + std::to_string(q.places);
    require_mean(what + ", loss", losses_by_replication(r), q.loss);
    require_mean(what + ", T", means_by_replication(r, "e2e"), q.time);
  }
}

namespace {

// Poisson arrivals of rate `lambda`; a batch of b requests takes alpha b + tau; all that wait join the next.
struct JoiningBatches {
  double lambda;
  double alpha;
  double tau;
  double simulated;  // 5 x 200,000 jobs of an independent simulation
  double horizon_s;
};

// The bound of Inoue, "Queueing analysis of GPU-based inference servers with dynamic batching", 2019,
// theorem 2.
double bound(const JoiningBatches& q) {
  const double rho = q.lambda * q.alpha;
  const double phi0 =
      (q.alpha + q.tau) / (2 * (1 - rho)) * (1 + 2 * q.lambda * q.tau + (1 - q.lambda * q.tau) / (1 + rho));
  const double phi1 = 1.5 * q.tau / (1 - rho) + q.alpha / 2 * (rho + 2) / (1 - rho * rho);
  return std::min(phi0, phi1);
}

}  // namespace

TEST_CASE(
    "oracle 11: batches of all that wait last no longer than Inoue's bound, and as simulated elsewhere") {
  for (const JoiningBatches& q :
       {JoiningBatches{0.5, 1, 1, 4.414, 15'000}, JoiningBatches{0.8, 1, 2, 18.893, 40'000},
        JoiningBatches{0.2, 1, 5, 9.898, 15'000}}) {
    Scenario s = scoring_queue(q.lambda, fixed_steps(1), 1, q.horizon_s);
    s.pools[0].max_batch = 10'000;
    const RunResults r = run_queue(s, {.score_intercept_s = q.tau, .score_slope_s = q.alpha});
    const MeanInterval m = mean_interval(means_by_replication(r, "e2e"));
    INFO("lambda = " << q.lambda << ": " << m.mean << " in " << m.low << " to " << m.high << ", bound "
                     << bound(q));
    REQUIRE(standard_error(m) <= 0.01 * m.mean);
    REQUIRE(m.mean <= bound(q) + 4 * standard_error(m));
    REQUIRE(m.mean == Approx(q.simulated).epsilon(0.02));
    if (std::getenv("COTENANT_SHOW_ORACLES") != nullptr) {
      std::printf("dynamic batching, lambda = %.1f: %.4f, SE %.2f %%, bound %.4f, simulated elsewhere %.3f\n",
                  q.lambda, m.mean, 100 * standard_error(m) / m.mean, bound(q), q.simulated);
    }
  }
}
