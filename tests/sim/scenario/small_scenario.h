#pragma once
#include <string>
#include <vector>

#include "sim/scenario/read.h"

namespace cotenant {

// A short scenario that is right; tests change one thing in it.
inline std::string small_scenario() {
  return R"(apiVersion: cotenant/v1
name: small
seed: 7
horizon: 2 days
window: { warmup: 2 h, report: 1 day }
prices: { currency: USD, as-of: 2026-11-01, source: a list, storage: $0.02/GB/month }
skus:
  cpu: { rate: $0.05/h, memory: 8 GB, profile: local-cpu }
models:
  chat: { kind: generative, shape: decoder-25m }
tenants:
  gold:
    count: 5
    consent: { train-shared: true }
    data: 1 MB
    load: { arrivals: poisson rate=1/s, prompt: fixed 10, output: fixed 5 }
    slo: { ttft: p99 < 500 ms }
  plain:
    count: 3
    data: 1 MB
    load: { arrivals: poisson rate=1/min, prompt: fixed 10, output: fixed 5 }
pools:
  serve: { sku: cpu, size: 2 }
  train: { sku: cpu, size: 1 }
tenancy:
  own: { kind: tenant-specific, model: chat, pool: serve }
  shared: { kind: shared-trained, model: chat, pool: serve }
training: { every: 1 day, pool: train }
expect:
  - breaches.D1 == 0
)";
}

// small_scenario() with the first `from` replaced. An empty `from` appends.
inline std::string small_with(const std::string& from, const std::string& to) {
  std::string text = small_scenario();
  if (from.empty()) return text + to;
  text.replace(text.find(from), from.size(), to);
  return text;
}

inline Result<Scenario> read_text(const std::string& text) {
  return read_scenario(text, "s.yaml", {});
}

// Every problem as "line:column message", or nothing.
inline std::vector<std::string> problems_in(const Result<Scenario>& result) {
  std::vector<std::string> out;
  if (result.ok()) return out;
  for (const Diagnostic& d : result.problems()) {
    out.push_back(std::to_string(d.line) + ":" + std::to_string(d.column) + " " + d.message);
  }
  return out;
}

// The only problem of a text; "" if there is none, all of them if there are more.
inline std::string only_problem(const Result<Scenario>& result) {
  std::string out;
  for (const std::string& problem : problems_in(result)) out += (out.empty() ? "" : "\n") + problem;
  return out;
}

}  // namespace cotenant
