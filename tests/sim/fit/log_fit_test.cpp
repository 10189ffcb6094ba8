#include "sim/fit/log_fit.h"

#include <catch2/catch.hpp>

#include "sim/fit/log_figures.h"
#include "tests/sim/fit/toy_server.h"

using namespace cotenant;
using namespace cotenant::testing;

namespace {

const ToyTimes kTruth{.token_s = 4e-5, .weights_s = 8e-3, .sequence_s = 3e-4, .client_s = 4e-3};

std::vector<FitParameter> all_four() {
  return {{"token", 8e-5, 0.7, 1},
          {"weights", 5e-3, 0.7, 1},
          {"sequence", 1e-4, 1.1, 1},
          {"client", 1e-3, 1.1, 1}};
}

Profile profile_of(const std::vector<double>& v) {
  return toy_profile({v[0], v[1], v[2], v[3]});
}

LogReplay replay_of(const Scenario& server, const RequestLog& log) {
  Result<LogReplay> made = LogReplay::make(server, log);
  INFO((made.ok() ? "" : to_text(made.problems())));
  REQUIRE(made.ok());
  return std::move(made).value();
}

LogFit fitted(const LogReplay& replay, std::vector<FitParameter> parameters, Duration until = {INT64_MAX}) {
  const Result<LogFit> fit = fit_to_log(
      {.replay = &replay, .until = until, .parameters = std::move(parameters), .profile_of = profile_of});
  INFO((fit.ok() ? "" : to_text(fit.problems())));
  REQUIRE(fit.ok());
  return fit.value();
}

std::string refused(const Scenario& server, const RequestLog& log) {
  const Result<LogReplay> made = LogReplay::make(server, log);
  REQUIRE_FALSE(made.ok());
  return to_text(made.problems());
}

}  // namespace

TEST_CASE("the parameters that made a log are found again, within the stated intervals") {
  const Scenario server = toy_server();
  for (const double noise : {0.0, 0.2}) {
    const LogReplay replay =
        replay_of(server, answered_log(server, toy_log(600, 8), toy_profile(kTruth), noise));
    const LogFit fit = fitted(replay, all_four());
    REQUIRE(fit.converged);
    REQUIRE(fit.requests == 600);
    const double truth[] = {kTruth.token_s, kTruth.weights_s, kTruth.sequence_s, kTruth.client_s};
    for (size_t j = 0; j < 4; ++j) {
      const FittedParameter& p = fit.parameters[j];
      INFO("noise " << noise << ", " << all_four()[j].name << " " << truth[j] << ": " << p.value << " in "
                    << p.low << " .. " << p.high);
      REQUIRE(p.low <= truth[j]);
      REQUIRE(truth[j] <= p.high);
      REQUIRE(p.identified);
      REQUIRE_FALSE(p.at_limit);
      REQUIRE(p.value / truth[j] == Approx(1).margin(noise == 0 ? 0.1 : 0.25));
    }
  }
}

TEST_CASE("what was fitted on the first part of a log predicts the rest of it") {
  const Scenario server = toy_server();
  const LogReplay replay = replay_of(server, answered_log(server, toy_log(900, 8), toy_profile(kTruth), 0.1));
  const Duration until{replay.logged().requests[600].sent};
  const LogFit fit = fitted(replay, all_four(), until);
  REQUIRE(fit.requests == 600);
  std::vector<double> values;
  for (const FittedParameter& p : fit.parameters) values.push_back(p.value);
  const std::vector<LogComparison> rows = compare(replay, replay.run(profile_of(values)).value(), until);
  REQUIRE(rows.size() == 8);  // two tenants, two metrics, two quantiles
  for (const LogComparison& row : rows) {
    INFO(row.tenant << " " << row.metric << " " << row.quantile);
    REQUIRE(row.ratio() == Approx(1).margin(row.quantile == 0.5 ? 0.03 : 0.08));
    REQUIRE(row.estimable == (row.quantile == 0.5 || row.requests >= 299));
  }
}

TEST_CASE("a fit that would be faster than the device stops at its limit and says so") {
  const Scenario server = toy_server();
  const LogReplay replay = replay_of(server, answered_log(server, toy_log(300, 8), toy_profile(kTruth), 0));
  std::vector<FitParameter> parameters = all_four();
  parameters[1].start = 5e-3;
  parameters[1].most = 6e-3;  // the log was made with 8 ms
  const LogFit fit = fitted(replay, parameters);
  REQUIRE(fit.parameters[1].at_limit);
  REQUIRE(fit.parameters[1].value == 6e-3);
  REQUIRE(fit.parameters[1].high == 6e-3);
}

TEST_CASE("what a log cannot tell stays typical, and is called not identified") {
  // Every prompt fits one step and every step is the same length: nothing tells the two parts of a step
  // apart.
  const Scenario server = toy_server();
  RequestLog sparse = toy_log(200, 0.2);
  for (LoggedRequest& r : sparse.requests) r.prompt = 100;
  const LogReplay replay = replay_of(server, answered_log(server, sparse, toy_profile(kTruth), 0));
  const LogFit fit = fitted(replay, all_four());
  const FittedParameter& sequence = fit.parameters[2];
  INFO(sequence.value << " in " << sequence.low << " .. " << sequence.high);
  REQUIRE_FALSE(sequence.identified);
  REQUIRE(sequence.high / sequence.low > 3);
}

TEST_CASE("a fit is the same every time") {
  const Scenario server = toy_server();
  const LogReplay replay = replay_of(server, answered_log(server, toy_log(200, 8), toy_profile(kTruth), 0.1));
  const LogFit a = fitted(replay, all_four());
  const LogFit b = fitted(replay, all_four());
  for (size_t j = 0; j < 4; ++j) {
    REQUIRE(a.parameters[j].value == b.parameters[j].value);
    REQUIRE(a.parameters[j].high == b.parameters[j].high);
  }
}

TEST_CASE("too few answered requests are not fitted") {
  const Scenario server = toy_server();
  const LogReplay replay = replay_of(server, answered_log(server, toy_log(60, 8), toy_profile(kTruth), 0));
  const Result<LogFit> fit = fit_to_log({.replay = &replay,
                                         .until = replay.logged().requests[49].sent,
                                         .parameters = all_four(),
                                         .profile_of = profile_of});
  REQUIRE_FALSE(fit.ok());
  REQUIRE(to_text(fit.problems()).find("49 answered requests to fit") != std::string::npos);
}

TEST_CASE("figures of equal times differ by nothing and have no noise") {
  const Scenario server = toy_server();
  const LogReplay replay = replay_of(server, answered_log(server, toy_log(200, 8), toy_profile(kTruth), 0));
  std::vector<size_t> all(200);
  for (size_t i = 0; i < all.size(); ++i) all[i] = i;
  const LogFigures figures(replay, all);
  std::vector<RequestTimes> measured;
  for (const size_t i : all) measured.push_back(replay.measured(i));
  const std::vector<RequestTimes> again = replay.run(toy_profile(kTruth)).value();
  const Vector a = figures.of(measured);
  const Vector b = figures.of(again);
  for (size_t k = 0; k < a.size(); ++k) REQUIRE(a[k] == Approx(b[k]).margin(1e-5));
  const Matrix noise = figures.noise(measured, measured);
  for (size_t k = 0; k < noise.size(); ++k) REQUIRE(noise[k][k] == 0);
  // A whole log that is 10 % slower is no noise either: all blocks are alike.
  std::vector<RequestTimes> slower = measured;
  for (RequestTimes& t : slower) t = {t.ttft_s * 1.1, t.e2e_s * 1.1};
  const Matrix still = figures.noise(measured, slower);
  for (size_t k = 0; k < still.size(); ++k) REQUIRE(still[k][k] < 1e-12);
}

TEST_CASE("a server that the scenario does not state in full, or not for everybody, is refused") {
  const RequestLog log = toy_log(60, 8);
  REQUIRE(refused(toy_server("", ""), log).find("kv-blocks") != std::string::npos);
  const std::string second =
      "  big:\n    count: 1\n    priority: 2\n    load: { arrivals: poisson rate=1/s, prompt: fixed 10, "
      "output: "
      "fixed 10 "
      "}\n    slo: { ttft: p99 < 1 s }\n";
  const std::string text = refused(toy_server(second), log);
  INFO(text);
  REQUIRE(text.find("tenant 'small'") != std::string::npos);
  REQUIRE(text.find("tenant 'big'") == std::string::npos);  // served like the tier of its name
  RequestLog longer = log;
  longer.requests[7].prompt = 3999;
  REQUIRE(refused(toy_server(), longer).find("1 requests of the log are longer than the context") !=
          std::string::npos);
  RequestLog silent = log;
  for (LoggedRequest& r : silent.requests) r.first_token = r.last_token = Duration{-1};
  REQUIRE(refused(toy_server(), silent).find("first and a last token") != std::string::npos);
}

TEST_CASE("under the engine's clock what lies between client and engine does not count") {
  const Scenario server = toy_server();
  RequestLog log = toy_log(100, 8);
  log.clock = RequestLog::Clock::engine;
  const LogReplay replay = replay_of(server, log);
  const std::vector<RequestTimes> with = replay.run(toy_profile(kTruth)).value();
  ToyTimes no_client = kTruth;
  no_client.client_s = 0;
  const std::vector<RequestTimes> without = replay.run(toy_profile(no_client)).value();
  for (size_t i = 0; i < with.size(); ++i) REQUIRE(with[i].ttft_s == without[i].ttft_s);
}

TEST_CASE("a response cache of the server answers no request of a log: what they asked is not in it") {
  Scenario server = toy_server();
  const RequestLog log = toy_log(100, 8);
  const std::vector<RequestTimes> without = replay_of(server, log).run(toy_profile(kTruth)).value();
  server.pools[0].response_cache = CacheScope::open;
  server.pools[0].response_cache_entries = 1000;
  for (Tier& tier : server.tiers) tier.topics = TopicLaw{.count = 2, .zipf_s = 1, .common = 1};
  const std::vector<RequestTimes> with = replay_of(server, log).run(toy_profile(kTruth)).value();
  for (size_t i = 0; i < with.size(); ++i) REQUIRE(with[i].e2e_s == without[i].e2e_s);
}
