#include <catch2/catch.hpp>

#include "tests/sim/serving/replica_stepper.h"

using namespace cotenant;

namespace {

constexpr int64_t kBlock = 1024;  // bytes

Request request(uint32_t tenant, int32_t prompt, int32_t output) {
  return {.tenant = TenantId{tenant},
          .number = 0,
          .prompt = prompt,
          .output = output,
          .weights = ModelId{0},
          .adapter = ModelId{tenant}};
}

// 40 blocks of 16 tokens; adapters take ten of them each.
GenerativeLimits limits() {
  return {.token_budget = 640,
          .max_sequences = 4,
          .pipeline_depth = 1,
          .kv_blocks = 41,
          .kv_block_bytes = {kBlock},
          .adapters_in_kv = true,
          .weight_budget = {500}};
}

struct Stepper {
  GenerativeReplica replica{limits(), [](ModelId m) { return Bytes{m.index == 0 ? 500 : 10 * kBlock}; },
                            [] { return true; }, [](TenantId) { return 1.0; }};
  testing::ReplicaStepper steps{.replica = replica, .work = {}, .finished = {}};
  std::vector<ModelId> loaded;
  std::vector<Request>& finished = steps.finished;

  void run(const std::vector<Request>& requests) {
    for (const Request& r : requests) replica.enqueue(r, steps.now);
    steps.now = steps.now + Duration{1};
    while (steps.step()) {
      if (steps.work.kind == Work::Kind::load) loaded.push_back(steps.work.load_model);
    }
  }
};

}  // namespace

TEST_CASE("adapters take KV blocks and stay in them while there is room") {
  Stepper s;
  s.run({request(1, 10, 2)});
  s.run({request(2, 10, 2)});
  s.run({request(1, 10, 2)});
  REQUIRE(s.loaded == std::vector<ModelId>{ModelId{0}, ModelId{1}, ModelId{2}});
  REQUIRE(s.replica.kv().held() == 20);
}

TEST_CASE(
    "the idle adapter that was used longest ago goes first, for another adapter and for KV blocks alike") {
  Stepper s;
  for (const uint32_t tenant : {1U, 2U, 3U, 1U}) s.run({request(tenant, 10, 2)});
  s.run({request(4, 10, 2)});  // the blocks of 2
  s.run({request(1, 10, 2)});
  REQUIRE(s.loaded.size() == 5);
  Request long_one = request(1, 250, 2);  // 16 blocks where ten are free: those of 3
  s.run({long_one});
  REQUIRE(s.replica.kv().held() == 20);
  s.run({request(4, 10, 2)});
  REQUIRE(s.loaded.size() == 5);
  s.run({request(3, 10, 2)});
  REQUIRE(s.loaded.back() == ModelId{3});
}

TEST_CASE("idle adapters make room before a running request is preempted, and those in use never do") {
  Stepper s;
  for (const uint32_t tenant : {1U, 2U, 3U}) s.run({request(tenant, 10, 2)});
  // One running adapter and up to 30 blocks: the other two have to go, nobody is preempted.
  s.run({request(1, 230, 240)});
  REQUIRE(s.finished.back().preempted == 0);
  REQUIRE(s.replica.kv().held() == 10);
  // Two adapters in use leave 20 blocks for two requests that grow to 15 each.
  s.finished.clear();
  s.run({request(1, 100, 130), request(2, 100, 130)});
  REQUIRE(s.finished.size() == 2);
  REQUIRE(s.finished[0].preempted + s.finished[1].preempted > 0);
}

TEST_CASE("a request waits until its adapter has place beside it") {
  Stepper s;
  s.run({request(1, 200, 40), request(2, 200, 40)});  // 15 + 10 blocks each
  REQUIRE(s.finished.size() == 2);
  REQUIRE(s.finished[1].admitted >= s.finished[0].finished);
  REQUIRE(limits().has_place(30 * 16, {10 * kBlock}));
  REQUIRE_FALSE(limits().has_place(30 * 16 + 1, {10 * kBlock}));
  REQUIRE(limits().has_place(40 * 16, {}));
}

TEST_CASE("memory that an adapter held is handed over like any other") {
  Stepper s;
  s.run({request(1, 10, 2)});  // blocks 1 to 10 are the adapter's, 11 its prompt's
  s.run({request(2, 300, 2)});
  s.run({request(3, 100, 2)});  // the adapter of 1 goes
  const int64_t before = s.replica.hand_overs().count;
  s.run({request(3, 450, 2)});
  REQUIRE(s.replica.hand_overs().count > before);
}
