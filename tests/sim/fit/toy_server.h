#pragma once
// A server with a made-up device, and a log of requests, for tests of fits. Round figures, not measurements.
#include <catch2/catch.hpp>
#include <string>

#include "sim/core/math.h"
#include "sim/core/philox.h"
#include "sim/fit/log_replay.h"
#include "sim/scenario/read.h"
#include "tests/kernels/profile/small_profile.h"

namespace cotenant::testing {

// What the toy's times are made of, in the order in which fits are asked for them.
struct ToyTimes {
  double token_s = 0;     // of linear work beyond the weights
  double weights_s = 0;   // of a step, at least
  double sequence_s = 0;  // host, a sequence
  double client_s = 0;    // a request
};

inline Profile toy_profile(const ToyTimes& t) {
  Profile p;
  p.name = "toy";
  p.models = {{.name = "toy",
               .kind = "generative",
               .parameters = 1000,
               .weight_bytes = 2000,
               .kv_bytes_per_token = 100,
               .layers = 1,
               .hidden = 10}};
  using X = std::vector<double>;
  p.kernels = {
      made_kernel("toy/linear", {linear("tokens", {1, 512, 1024})},
                  [&](const X& x) { return t.weights_s + t.token_s * x[0]; }),
      made_kernel("toy/head", {linear("sequences", {1, 64})}, [](const X&) { return 1e-4; }),
      made_kernel("toy/attention_prefill", {linear("chunk", {1, 1024}), linear("context", {0, 4096})},
                  [](const X& x) { return 1e-8 * x[0] + 1e-9; }),
      made_kernel("toy/attention_decode", {linear("sequences", {1, 64}), linear("context", {0, 100000})},
                  [](const X& x) { return 1e-8 * x[1] + 1e-9; }),
      made_kernel("memory_copy", {linear("bytes", {1000, 1000000})}, [](const X& x) { return 1e-9 * x[0]; }),
      made_kernel("memory_scrub", {linear("bytes", {1000, 1000000})},
                  [](const X& x) { return 1e-10 * x[0]; }),
  };
  p.parameters = {{"toy", "host_sequence_s", t.sequence_s, "assumed", ""},
                  {"toy", "client_request_s", t.client_s, "assumed", ""}};
  return p;
}

inline std::string toy_scenario_text(const std::string& tenants, const std::string& pool) {
  return "apiVersion: cotenant/v1\n"
         "name: toy\nabout: toy\nseed: 1\nhorizon: 1 h\nreplications: 1\nwindow: { warmup: 0 s }\n"
         "prices: { currency: USD, as-of: 2026-11-01, source: assumed, storage: $0.02/GB/month }\n"
         "skus:\n  box: { rate: $1/h, memory: 10 MB, profile: toy }\n"
         "models:\n  chat: { kind: generative, shape: toy, context: 4000 }\n"
         "tenants:\n" +
         tenants + "pools:\n  replica: { sku: box, token-budget: 512, max-sequences: 64, scrub: off" + pool +
         " }\n"
         "tenancy:\n  shared: { kind: shared-pretrained, model: chat, pool: replica }\n";
}

inline Scenario toy_server(const std::string& more = "", const std::string& pool = ", kv-blocks: 4000") {
  const std::string tier =
      "    load: { arrivals: poisson rate=1/s, prompt: fixed 10, output: fixed 10 }\n    slo: { ttft: p99 < "
      "1 s "
      "}\n";
  const Result<Scenario> read =
      read_scenario(toy_scenario_text("  clients:\n    count: 1\n" + tier + more, pool), "toy.yaml", {});
  INFO((read.ok() ? "" : to_text(read.problems())));
  REQUIRE(read.ok());
  return read.value();
}

// Poisson arrivals of two tenants, "big" with long prompts and "small" with short ones, every fourth request.
inline RequestLog toy_log(int count, double rate_per_s) {
  RequestLog log;
  log.tenants = {"big", "small"};
  RandomStream draws(stream_key(5, 0), 0, Purpose::arrivals);
  double at_s = 0;
  for (int i = 0; i < count; ++i) {
    at_s -= log_of(draws.uniform()) / rate_per_s;
    const bool small = i % 4 == 3;
    LoggedRequest r;
    r.tenant = small ? 1 : 0;
    r.prompt = static_cast<int32_t>((small ? 20 : 150) * (1 + 3 * draws.uniform()));
    r.output = static_cast<int32_t>(10 + 60 * draws.uniform());
    r.sent = {static_cast<int64_t>(at_s * 1e9)};
    r.first_token = r.last_token = r.sent;
    log.requests.push_back(r);
  }
  const Duration start = log.requests.front().sent;
  for (LoggedRequest& r : log.requests) r.sent = r.first_token = r.last_token = r.sent - start;
  return log;
}

// The log with the times that the server has under `truth`, each made longer or shorter by up to `noise`.
inline RequestLog answered_log(const Scenario& server, RequestLog log, const Profile& truth, double noise) {
  const Result<LogReplay> replay = LogReplay::make(server, log);
  INFO((replay.ok() ? "" : to_text(replay.problems())));
  REQUIRE(replay.ok());
  const Result<std::vector<RequestTimes>> times = replay.value().run(truth);
  INFO((times.ok() ? "" : to_text(times.problems())));
  REQUIRE(times.ok());
  RandomStream draws(stream_key(6, 0), 0, Purpose::service_noise);
  for (size_t i = 0; i < log.requests.size(); ++i) {
    LoggedRequest& r = log.requests[i];
    const double factor = 1 + noise * (2 * draws.uniform() - 1);
    const RequestTimes& t = times.value()[i];
    r.first_token = r.sent + Duration{static_cast<int64_t>(t.ttft_s * factor * 1e9)};
    r.last_token = r.first_token + Duration{static_cast<int64_t>((t.e2e_s - t.ttft_s) * 1e9)};
  }
  return log;
}

}  // namespace cotenant::testing
