#include <catch2/catch.hpp>

#include "sim/serving/generative_replica.h"

using namespace cotenant;

namespace {

Request request(uint32_t tenant, uint32_t number, int32_t prompt, int32_t output) {
  return {.arrival = {},
          .tenant = TenantId{tenant},
          .number = number,
          .prompt = prompt,
          .output = output,
          .weights = ModelId{0},
          .adapter = ModelId{}};
}

GenerativeLimits limits() {
  return {.token_budget = 64,
          .max_sequences = 4,
          .kv_blocks = 40,
          .kv_block_bytes = {1024},
          .weight_budget = {1000},
          .resident_limit = 0};
}

GenerativeReplica replica(const GenerativeLimits& l) {
  return {l, [](ModelId m) { return Bytes{m.index == 0 ? 500 : 200}; }, [] { return true; }};
}

// One round at a time; returns the finished requests in order.
std::vector<Request> run_dry(GenerativeReplica& r, std::vector<Work>* seen = nullptr) {
  std::vector<Request> finished;
  Work work;
  for (int64_t t = 1; t < 10'000; ++t) {
    r.next(Time{t}, work);
    if (work.kind == Work::Kind::idle) break;
    if (seen != nullptr) seen->push_back(work);
    r.done(Time{t}, 1, 1'000'000, finished);
  }
  return finished;
}

}  // namespace

TEST_CASE("weights are loaded before the first step, and only once") {
  GenerativeReplica r = replica(limits());
  r.enqueue(request(1, 0, 10, 3));
  r.enqueue(request(1, 1, 10, 3));
  std::vector<Work> seen;
  REQUIRE(run_dry(r, &seen).size() == 2);
  REQUIRE(seen[0].kind == Work::Kind::load);
  REQUIRE(seen[0].load_bytes == Bytes{500});
  for (size_t i = 1; i < seen.size(); ++i) REQUIRE(seen[i].kind == Work::Kind::steps);
}

TEST_CASE("no step computes more tokens than its budget, and a long prompt is cut into chunks") {
  GenerativeReplica r = replica(limits());
  r.enqueue(request(1, 0, 150, 2));
  r.enqueue(request(2, 0, 50, 2));
  std::vector<Work> seen;
  REQUIRE(run_dry(r, &seen).size() == 2);
  std::vector<int64_t> prefilled;
  for (const Work& w : seen) {
    if (w.kind != Work::Kind::steps) continue;
    const BatchShape& s = w.parts[0].shape;
    REQUIRE(s.prefill_tokens + s.decode_sequences <= 64);
    prefilled.push_back(s.prefill_tokens);
  }
  REQUIRE(prefilled == std::vector<int64_t>{64, 64, 64, 8, 0});
}

TEST_CASE("the attended pairs of a chunk follow from its context") {
  GenerativeReplica r = replica(limits());
  r.enqueue(request(1, 0, 100, 1));
  std::vector<Work> seen;
  run_dry(r, &seen);
  REQUIRE(seen[1].parts[0].shape.prefill_work_x2 == 64 * 64);
  REQUIRE(seen[2].parts[0].shape.prefill_work_x2 == 36 * (2 * 64 + 36));
  REQUIRE(seen[1].parts[0].shape.head_sequences == 0);  // no logits before the prompt is complete
  REQUIRE(seen[2].parts[0].shape.head_sequences == 1);
}

TEST_CASE("admission stops at the first request that does not fit, and never overtakes it") {
  GenerativeReplica r = replica(limits());
  r.enqueue(request(1, 0, 300, 20));  // 20 of 40 blocks
  r.enqueue(request(2, 0, 400, 20));  // 27: must wait
  r.enqueue(request(3, 0, 10, 5));    // would fit, but is behind
  const std::vector<Request> finished = run_dry(r);
  REQUIRE(finished.size() == 3);
  REQUIRE(finished[0].tenant == TenantId{1});
  REQUIRE(finished[1].first_token > finished[0].finished);
  for (const Request& q : finished) {
    if (q.tenant == TenantId{3}) REQUIRE(q.first_token > finished[0].finished);
  }
}

TEST_CASE("at most max_sequences run at once") {
  GenerativeReplica r = replica(limits());
  for (uint32_t i = 0; i < 9; ++i) r.enqueue(request(1, i, 5, 8));
  std::vector<Work> seen;
  REQUIRE(run_dry(r, &seen).size() == 9);
  for (const Work& w : seen) {
    if (w.kind == Work::Kind::steps) REQUIRE(w.parts[0].shape.head_sequences <= 4);
  }
}

TEST_CASE("distinct adapters of a step are counted once each") {
  GenerativeReplica r = replica(limits());
  for (uint32_t i = 0; i < 4; ++i) {
    Request q = request(i, 0, 5, 8);
    q.adapter = ModelId{1 + i / 2};
    r.enqueue(q);
  }
  std::vector<Work> seen;
  REQUIRE(run_dry(r, &seen).size() == 4);
  int64_t most = 0;
  for (const Work& w : seen) {
    if (w.kind == Work::Kind::steps) most = std::max(most, w.parts[0].shape.adapters);
  }
  REQUIRE(most == 2);
}

TEST_CASE("different weights share a round as parts of their own, cold") {
  GenerativeLimits l = limits();
  l.weight_budget = {2000};
  GenerativeReplica r = replica(l);
  for (uint32_t i = 0; i < 2; ++i) {
    Request q = request(i, 0, 5, 8);
    q.weights = ModelId{i};
    r.enqueue(q);
  }
  std::vector<Work> seen;
  REQUIRE(run_dry(r, &seen).size() == 2);
  size_t together = 0;
  for (const Work& w : seen) {
    if (w.parts.size() < 2) continue;
    ++together;
    REQUIRE(w.parts[0].shape.residency == Residency::cold);
  }
  REQUIRE(together > 0);
}

TEST_CASE("memory taken over from another tenant is overwritten before the step, or counted") {
  for (const bool scrubs : {true, false}) {
    GenerativeLimits l = limits();
    l.kv_blocks = 2;
    GenerativeReplica r(
        l, [](ModelId) { return Bytes{500}; }, [scrubs] { return scrubs; });
    r.enqueue(request(1, 0, 20, 4));
    r.enqueue(request(2, 0, 20, 4));
    std::vector<Work> seen;
    REQUIRE(run_dry(r, &seen).size() == 2);
    int64_t scrubbed = 0;
    for (const Work& w : seen) scrubbed += w.scrub_bytes.count;
    REQUIRE(r.hand_overs().count == 1);
    REQUIRE(scrubbed == (scrubs ? 2048 : 0));
    REQUIRE(r.hand_overs().unscrubbed == (scrubs ? 0 : 1));
    REQUIRE(r.hand_overs().unscrubbed_bytes == Bytes{scrubs ? 0 : 2048});
  }
}

TEST_CASE("the device time of a step is attributed to the sequences that computed in it") {
  GenerativeReplica r = replica(limits());
  r.enqueue(request(1, 0, 30, 5));
  r.enqueue(request(2, 0, 10, 5));
  std::vector<Work> seen;
  const std::vector<Request> finished = run_dry(r, &seen);
  int64_t attributed = 0;
  for (const Request& q : finished) attributed += q.usage_ps;
  const auto steps = static_cast<int64_t>(seen.size()) - 1;
  REQUIRE(attributed <= steps * 1'000'000);
  REQUIRE(attributed >= steps * 999'000);
}
