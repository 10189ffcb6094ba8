#include <catch2/catch.hpp>

#include "tests/sim/serving/replica_stepper.h"

using namespace cotenant;
using testing::ReplicaStepper;

namespace {

Request request(uint32_t tenant, uint32_t number, int32_t prompt, int32_t output) {
  return {.arrival = {},
          .tenant = TenantId{tenant},
          .number = number,
          .prompt = prompt,
          .output = output,
          .weights = ModelId{0},
          .adapter = ModelId{},
          .content = {.rest = 1000 * uint64_t{tenant} + number + 1}};
}

GenerativeLimits limits() {
  return {.token_budget = 64,
          .max_sequences = 4,
          .chunk_cap = 0,
          .pipeline_depth = 1,
          .kv_blocks = 41,
          .kv_block_bytes = {1024},
          .weight_budget = {1000},
          .resident_limit = 0};
}

GenerativeReplica replica(const GenerativeLimits& l) {
  return {l, [](ModelId m) { return Bytes{m.index == 0 ? 500 : 200}; }, [] { return true; },
          [](TenantId) { return 1.0; }};
}

ReplicaStepper stepper(GenerativeReplica& r) {
  return {.replica = r, .work = {}, .finished = {}};
}

// One round at a time; returns the finished requests in order.
std::vector<Request> run_dry(GenerativeReplica& r, std::vector<Work>* seen = nullptr) {
  ReplicaStepper steps = stepper(r);
  while (steps.step()) {
    REQUIRE(steps.now.ns < 10'000);
    if (seen != nullptr) seen->push_back(steps.work);
  }
  return steps.finished;
}

}  // namespace

TEST_CASE("weights are loaded before the first step, and only once") {
  GenerativeReplica r = replica(limits());
  r.enqueue(request(1, 0, 10, 3), Time{0});
  r.enqueue(request(1, 1, 10, 3), Time{0});
  std::vector<Work> seen;
  REQUIRE(run_dry(r, &seen).size() == 2);
  REQUIRE(seen[0].kind == Work::Kind::load);
  REQUIRE(seen[0].load_bytes == Bytes{500});
  for (size_t i = 1; i < seen.size(); ++i) REQUIRE(seen[i].kind == Work::Kind::steps);
}

TEST_CASE("no step computes more tokens than its budget, and a long prompt is cut into chunks") {
  GenerativeReplica r = replica(limits());
  r.enqueue(request(1, 0, 150, 2), Time{0});
  r.enqueue(request(2, 0, 50, 2), Time{0});
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
  r.enqueue(request(1, 0, 100, 1), Time{0});
  std::vector<Work> seen;
  run_dry(r, &seen);
  REQUIRE(seen[1].parts[0].shape.prefill_work_x2 == 64 * 64);
  REQUIRE(seen[2].parts[0].shape.prefill_work_x2 == 36 * (2 * 64 + 36));
  REQUIRE(seen[1].parts[0].shape.head_sequences == 1);  // engines compute logits for every sequence of a step
  REQUIRE(seen[2].parts[0].shape.head_sequences == 1);
}

TEST_CASE("admission stops at the first request that does not fit, and never overtakes it") {
  GenerativeReplica r = replica(limits());
  r.enqueue(request(1, 0, 300, 20), Time{0});  // 20 of 40 blocks
  r.enqueue(request(2, 0, 400, 20), Time{0});  // 27: must wait
  r.enqueue(request(3, 0, 10, 5), Time{0});    // would fit, but is behind
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
  for (uint32_t i = 0; i < 9; ++i) r.enqueue(request(1, i, 5, 8), Time{0});
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
    r.enqueue(q, Time{0});
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
    r.enqueue(q, Time{0});
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
    l.kv_blocks = 3;
    GenerativeReplica r(
        l, [](ModelId) { return Bytes{500}; }, [scrubs] { return scrubs; }, [](TenantId) { return 1.0; });
    r.enqueue(request(1, 0, 20, 4), Time{0});
    r.enqueue(request(2, 0, 20, 4), Time{0});
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
  r.enqueue(request(1, 0, 30, 5), Time{0});
  r.enqueue(request(2, 0, 10, 5), Time{0});
  std::vector<Work> seen;
  const std::vector<Request> finished = run_dry(r, &seen);
  int64_t attributed = 0;
  for (const Request& q : finished) attributed += q.usage_ps;
  const auto steps = static_cast<int64_t>(seen.size()) - 1;
  REQUIRE(attributed <= steps * 1'000'000);
  REQUIRE(attributed >= steps * 999'000);
}

namespace {

// Steps a replica by hand: each step lasts 10 ns.
struct Bench {
  explicit Bench(const GenerativeLimits& l) : r(replica(l)) {}

  // Runs one step from `now`; returns its shape.
  BatchShape step() {
    Work work;
    r.next(now, work);
    while (work.kind == Work::Kind::load) {
      r.done({.now = now}, finished);
      r.next(now, work);
    }
    if (work.kind == Work::Kind::idle) return {};
    most_steps = work.max_steps;
    const Time start = now;
    now = now + Duration{10};
    between();
    between = [] {};
    r.done({.now = now, .steps = 1, .elapsed_ps = 1000, .last_round_start = start}, finished);
    return work.parts[0].shape;
  }

  GenerativeReplica r;
  Time now{};
  int64_t most_steps = 0;
  std::vector<Request> finished;
  std::function<void()> between = [] {};  // during the step
};

GenerativeLimits piped() {
  GenerativeLimits l = limits();
  l.pipeline_depth = 2;
  return l;
}

}  // namespace

TEST_CASE("with depth 2 a request that arrives during step n joins step n + 2, from idle it joins at once") {
  Bench bench(piped());
  bench.r.enqueue(request(1, 0, 20, 9), bench.now);
  REQUIRE(bench.step().prefill_tokens == 20);
  bench.between = [&] { bench.r.enqueue(request(1, 1, 30, 9), bench.now + Duration{-5}); };
  REQUIRE(bench.step().decode_sequences == 1);  // n
  REQUIRE(bench.step().prefill_tokens == 0);    // n + 1
  REQUIRE(bench.most_steps == 1);
  REQUIRE(bench.step().prefill_tokens == 30);  // n + 2
  Bench depth_one(limits());
  depth_one.r.enqueue(request(1, 0, 20, 9), depth_one.now);
  depth_one.step();
  depth_one.between = [&] { depth_one.r.enqueue(request(1, 1, 30, 9), depth_one.now + Duration{-5}); };
  depth_one.step();
  REQUIRE(depth_one.step().prefill_tokens == 30);
}

TEST_CASE("with depth 2 a finished request holds its slot while the next step is decided") {
  GenerativeLimits l = piped();
  l.max_sequences = 1;
  Bench bench(l);
  bench.r.enqueue(request(1, 0, 5, 2), bench.now);
  bench.r.enqueue(request(1, 1, 7, 1), bench.now);
  REQUIRE(bench.step().prefill_tokens == 5);
  REQUIRE(bench.step().decode_sequences == 1);
  REQUIRE(bench.finished.size() == 1);
  // Nothing was decided for the next step, so the pipeline begins again with the request that waits.
  REQUIRE(bench.step().prefill_tokens == 7);
  l.max_sequences = 2;
  Bench two(l);
  two.r.enqueue(request(1, 0, 5, 9), two.now);
  two.r.enqueue(request(1, 1, 5, 2), two.now);
  two.r.enqueue(request(1, 2, 7, 1), two.now);
  two.step();
  two.step();
  REQUIRE(two.finished.size() == 1);
  REQUIRE(two.step().prefill_tokens == 0);  // the slot is still held
  REQUIRE(two.step().prefill_tokens == 7);
}

TEST_CASE("no request computes more prompt tokens in a step than its cap") {
  GenerativeLimits l = limits();
  l.chunk_cap = 16;
  Bench bench(l);
  bench.r.enqueue(request(1, 0, 40, 1), bench.now);
  bench.r.enqueue(request(1, 1, 10, 1), bench.now);
  REQUIRE(bench.step().prefill_tokens == 16 + 10);
  REQUIRE(bench.step().prefill_tokens == 16);
  REQUIRE(bench.step().prefill_tokens == 8);
}

TEST_CASE(
    "where memory ends, the request admitted last is preempted, computes again and keeps its first token") {
  for (const int64_t depth : {1, 2}) {
    GenerativeLimits l = limits();
    l.pipeline_depth = depth;
    l.kv_blocks = 5;  // four usable: 64 tokens
    Bench bench(l);
    bench.r.enqueue(request(1, 0, 20, 40), bench.now);  // needs four blocks in the end
    bench.r.enqueue(request(2, 0, 20, 30), bench.now);
    int64_t recomputed = 0;
    for (int i = 0; i < 200 && bench.r.outstanding() > 0; ++i) {
      const BatchShape shape = bench.step();
      if (i > 0) recomputed += shape.prefill_tokens;
      REQUIRE(bench.r.kv().free() >= 0);
    }
    REQUIRE(bench.finished.size() == 2);
    const Request& first = bench.finished[0];
    const Request& second = bench.finished[1];
    REQUIRE(first.tenant == TenantId{1});
    REQUIRE(first.preempted == 0);
    REQUIRE(second.preempted >= 1);
    REQUIRE(second.first_token.ns == 10);
    REQUIRE(second.finished > first.finished);
    REQUIRE(recomputed > 20);  // the prompt and what was decoded of it
    // Preempted after its first token; that cost some of its time from there, not all.
    REQUIRE(first.lost_ns == 0);
    REQUIRE(second.lost_before_first_ns == 0);
    REQUIRE(second.lost_ns > 0);
    REQUIRE(second.lost_ns < (second.finished - second.first_token).ns);
    REQUIRE(second.admitted <= second.first_token);
    Work idle;
    bench.r.next(bench.now, idle);
    REQUIRE(bench.r.kv().held() == 0);
    REQUIRE(bench.r.kv().allocated() == bench.r.kv().freed());
  }
}

TEST_CASE("a block of decode steps ends where memory does") {
  GenerativeLimits l = limits();
  l.kv_blocks = 5;
  Bench bench(l);
  bench.r.enqueue(request(1, 0, 16, 30), bench.now);
  bench.r.enqueue(request(1, 1, 16, 30), bench.now);
  bench.step();
  bench.step();
  // Both have 17 tokens in two blocks each: 15 more rounds fit, the next one needs two blocks that are not
  // there.
  bench.step();
  REQUIRE(bench.most_steps == 15);
}

namespace {

// `shared`: the requests of all tenants find each other's blocks.
Request with_prefix(uint32_t tenant, uint32_t number, int32_t prompt, const std::vector<uint64_t>& keys,
                    bool shared = false) {
  Request r = request(tenant, number, prompt, 4);
  r.content = {.listed = keys.data(),
               .rest = 1000 * tenant + number,
               .opening_blocks = static_cast<uint32_t>(keys.size())};
  r.content = r.content.salted(shared ? 0 : tenant);
  return r;
}

}  // namespace

TEST_CASE("with a prefix cache a request computes only what no request of its tenant has computed") {
  const std::vector<uint64_t> keys = {1, 2, 3};
  GenerativeLimits l = limits();
  l.prefix_cache = true;
  for (const bool shared : {false, true}) {
    Bench bench(l);
    bench.r.enqueue(with_prefix(1, 0, 50, keys, shared), bench.now);
    REQUIRE(bench.step().prefill_tokens == 50);
    bench.r.enqueue(with_prefix(1, 1, 50, keys, shared), bench.now);
    const BatchShape again = bench.step();
    REQUIRE(again.prefill_tokens == 2);  // three blocks are there
    REQUIRE(again.prefill_work_x2 == 2 * (2 * 48 + 2));
    bench.r.enqueue(with_prefix(2, 0, 50, keys, shared), bench.now);
    REQUIRE(bench.step().prefill_tokens == (shared ? 2 : 50));
    REQUIRE(bench.r.prefix_use().hit_tokens == (shared ? 96 : 48));
    REQUIRE(bench.r.prefix_use().asked_tokens == 150);
    REQUIRE(bench.r.prefix_use().cross_tenant_tokens == (shared ? 48 : 0));
    // A prompt that is all there computes its last token, and with it its last block.
    bench.r.enqueue(with_prefix(1, 2, 48, keys, shared), bench.now);
    REQUIRE(bench.step().prefill_tokens == 16);
    while (bench.r.outstanding() > 0) bench.step();
    REQUIRE(bench.finished.size() == 4);
    for (const Request& r : bench.finished) {
      const bool first = r.number == 0 && (r.tenant == TenantId{1} || !shared);
      REQUIRE(r.hit_tokens == (first ? 0 : r.number == 2 ? 32 : 48));
    }
    REQUIRE(bench.r.kv().held() == 0);
    REQUIRE(bench.r.kv().allocated() == bench.r.kv().freed());
  }
}

TEST_CASE("the next turn of a session finds what the last one read and wrote") {
  GenerativeLimits l = limits();
  l.prefix_cache = true;
  Bench bench(l);
  Request first = request(1, 0, 40, 30);
  first.content.rest = 77;
  bench.r.enqueue(first, bench.now);
  while (bench.r.outstanding() > 0) bench.step();
  Request second = request(1, 1, 100, 2);
  second.content.rest = 77;
  bench.r.enqueue(second, bench.now);
  // 70 tokens so far, the last of them never computed: four full blocks of 16.
  REQUIRE(bench.step().prefill_tokens == 100 - 64);
  REQUIRE(bench.r.prefix_use().hit_tokens == 64);
}

TEST_CASE("two requests of one step share what the first of them computes in it") {
  const std::vector<uint64_t> keys = {1, 2};
  GenerativeLimits l = limits();
  l.prefix_cache = true;
  Bench bench(l);
  bench.r.enqueue(with_prefix(1, 0, 40, keys), bench.now);
  bench.r.enqueue(with_prefix(1, 1, 40, keys), bench.now);
  REQUIRE(bench.step().prefill_tokens == 40 + 8);
}

TEST_CASE("a preempted request finds its own blocks again where they are still there") {
  GenerativeLimits l = limits();
  l.prefix_cache = true;
  l.kv_blocks = 5;
  Bench bench(l);
  bench.r.enqueue(request(1, 0, 20, 40), bench.now);
  bench.r.enqueue(request(2, 0, 20, 30), bench.now);
  for (int i = 0; i < 200 && bench.r.outstanding() > 0; ++i) bench.step();
  REQUIRE(bench.finished.size() == 2);
  REQUIRE(bench.finished[1].preempted >= 1);
  REQUIRE(bench.r.kv().held() == 0);
}

TEST_CASE("memory that nobody wrote before is no hand-over, however late a request grows into its own") {
  GenerativeLimits l = limits();
  l.token_budget = 1000;
  Bench bench(l);
  bench.r.enqueue(request(1, 0, 16, 160), bench.now);  // one block, and ten more
  for (int i = 0; i < 150; ++i) bench.step();
  bench.r.enqueue(request(2, 0, 28 * 16 - 4, 2), bench.now);  // the 28 blocks that are left
  bench.step();
  bench.step();
  bench.r.enqueue(request(2, 1, 12 * 16 - 4, 2), bench.now);  // its own blocks again
  while (bench.r.outstanding() > 0) bench.step();
  REQUIRE(bench.finished.size() == 3);
  REQUIRE(bench.r.hand_overs().count == 0);
}

namespace {

// How many sequences of each tenant were in each step, by one finished order: runs the replica dry and
// returns the most that ran at once for a tenant.
int64_t most_at_once(GenerativeReplica& r, uint32_t tenant, const std::vector<Request>& all) {
  std::vector<Work> seen;
  REQUIRE(run_dry(r, &seen).size() == all.size());
  int64_t most = 0;
  for (const Work& w : seen) {
    for (const StepPart& part : w.parts) {
      if (part.weights.index == tenant) most = std::max(most, part.shape.head_sequences);
    }
  }
  return most;
}

}  // namespace

TEST_CASE("a tenant runs at most as many requests as its limit, and others pass it") {
  for (const int64_t limit : {0, 1, 2}) {
    GenerativeLimits l = limits();
    l.weight_budget = {2000};
    l.tenant_sequences = limit;
    GenerativeReplica r = replica(l);
    std::vector<Request> all;
    for (uint32_t i = 0; i < 6; ++i) all.push_back(request(1, i, 10, 5));
    all.push_back(request(2, 0, 10, 5));
    for (Request& q : all) {
      q.weights = ModelId{q.tenant.index};  // weights of its own, so that a step shows whose sequences it has
      r.enqueue(q, Time{0});
    }
    REQUIRE(most_at_once(r, 1, all) == (limit == 0 ? 4 : limit));
  }
}

TEST_CASE("a tenant at its share of the KV blocks is passed over until it has given some back") {
  GenerativeLimits l = limits();
  l.tenant_blocks = 4;
  GenerativeReplica r = replica(l);
  REQUIRE(l.has_place(64, {}));
  REQUIRE_FALSE(l.has_place(65, {}));
  for (uint32_t i = 0; i < 3; ++i) r.enqueue(request(1, i, 30, 2), Time{0});  // two blocks each
  r.enqueue(request(2, 0, 30, 2), Time{0});
  std::vector<Request> finished = run_dry(r);
  REQUIRE(finished.size() == 4);
  REQUIRE(finished[2].tenant == TenantId{2});  // before the third of tenant 1
  REQUIRE(finished[3].number == 2);
}

TEST_CASE("a request whose adapter would be one too many is passed over") {
  for (const int64_t most : {0, 2}) {
    GenerativeLimits l = limits();
    l.weight_budget = {5000};
    l.adapters_per_batch = most;
    GenerativeReplica r = replica(l);
    for (uint32_t i = 0; i < 6; ++i) {
      Request q = request(i, 0, 10, 6);
      q.adapter = ModelId{10 + i % 3};
      r.enqueue(q, Time{0});
    }
    std::vector<Work> seen;
    REQUIRE(run_dry(r, &seen).size() == 6);
    int64_t adapters = 0;
    for (const Work& w : seen) {
      for (const StepPart& part : w.parts) adapters = std::max(adapters, part.shape.adapters);
    }
    REQUIRE(adapters == (most == 0 ? 3 : most));
  }
}

TEST_CASE("with prefill first, prompts are whole and decodes wait for them") {
  GenerativeLimits l = limits();
  l.batching = Batching::prefill_first;
  GenerativeReplica r = replica(l);
  r.enqueue(request(1, 0, 20, 30), Time{0});
  ReplicaStepper steps = stepper(r);
  steps.step(), steps.step(), steps.step();  // load, prompt, a decode
  REQUIRE(steps.work.parts[0].shape.decode_sequences == 1);
  r.enqueue(request(1, 1, 60, 3), steps.now);
  r.enqueue(request(1, 2, 60, 3), steps.now);
  steps.step();
  // The budget of 64 has place for one of them, whole; the decode waits.
  REQUIRE(steps.work.parts[0].shape.prefill_tokens == 60);
  REQUIRE(steps.work.parts[0].shape.decode_sequences == 0);
  steps.step();
  REQUIRE(steps.work.parts[0].shape.prefill_tokens == 60);
  steps.step();
  REQUIRE(steps.work.parts[0].shape.decode_sequences == 3);
  // A prompt longer than the budget has a step of its own.
  r.enqueue(request(1, 3, 100, 3), steps.now);
  steps.step();
  REQUIRE(steps.work.parts[0].shape.prefill_tokens == 100);
}

TEST_CASE("with prefill first, a prompt stays whole when the load of another one's weights comes between") {
  GenerativeLimits l = limits();
  l.batching = Batching::prefill_first;
  GenerativeReplica r = replica(l);
  r.enqueue(request(1, 0, 10, 30), Time{0});
  ReplicaStepper steps = stepper(r);
  steps.step(), steps.step();  // load, prompt
  r.enqueue(request(1, 1, 40, 3), steps.now);
  Request other = request(2, 0, 20, 3);
  other.weights = ModelId{1};
  r.enqueue(other, steps.now);
  steps.step();
  REQUIRE(steps.work.kind == Work::Kind::load);
  steps.step();
  REQUIRE(steps.work.parts.size() == 2);
  REQUIRE(steps.work.parts[0].shape.prefill_tokens == 40);
  REQUIRE(steps.work.parts[1].shape.prefill_tokens == 20);
  REQUIRE(steps.work.parts[0].shape.decode_sequences == 0);
}

TEST_CASE("with prefill first, a step of one token of a request that comes back is one step") {
  GenerativeLimits l = limits();
  l.batching = Batching::prefill_first;
  GenerativeReplica r = replica(l);
  r.enqueue(request(1, 0, 10, 30), Time{0});
  ReplicaStepper steps = stepper(r);
  steps.step(), steps.step(), steps.step();  // load, prompt, a decode
  Request back = request(2, 0, 20, 10);
  back.emitted = 1;  // all but its last token is known to the KV memory
  r.enqueue(back, steps.now);
  steps.step();
  REQUIRE(steps.work.parts[0].shape.decode_sequences == 1);  // the other one waits
  REQUIRE(steps.work.max_steps == 1);
  steps.step();
  REQUIRE(steps.work.parts[0].shape.decode_sequences == 2);
}

TEST_CASE("a static batch runs to its end before anything else is admitted") {
  GenerativeLimits l = limits();
  l.batching = Batching::static_batch;
  GenerativeReplica r = replica(l);
  for (uint32_t i = 0; i < 6; ++i) r.enqueue(request(1, i, 30, i == 0 ? 20 : 5), Time{0});
  const std::vector<Request> finished = run_dry(r);
  REQUIRE(finished.size() == 6);
  Time longest{};
  for (const Request& q : finished) {
    if (q.number == 0) longest = q.finished;
  }
  for (const Request& q : finished) {
    if (q.number >= 4) REQUIRE(q.first_token > longest);  // four slots: the last two are the next batch
  }
}

TEST_CASE("under priorities the lowest level gives up its memory, not the last admitted") {
  for (const bool by_priority : {false, true}) {
    GenerativeLimits l = limits();
    l.kv_blocks = 7;
    if (by_priority) l.line.order = LineOrder::priority;
    GenerativeReplica r = replica(l);
    Request low = request(1, 0, 30, 60);
    low.priority = 1;
    Request high = request(2, 0, 30, 60);
    high.priority = 2;
    r.enqueue(low, Time{0});
    ReplicaStepper steps = stepper(r);
    for (int i = 0; i < 3; ++i) steps.step();
    r.enqueue(high, steps.now);  // six blocks for two that need six each in the end
    while (steps.step()) REQUIRE(steps.now.ns < 400);
    REQUIRE(steps.finished.size() == 2);
    for (const Request& q : steps.finished) {
      REQUIRE((q.preempted > 0) == (q.tenant == TenantId{by_priority ? 1U : 2U}));
    }
  }
}

TEST_CASE("nobody finds what a preempted request would have computed in the step that took its memory") {
  GenerativeLimits l = limits();
  l.prefix_cache = true;
  l.line.order = LineOrder::priority;
  l.chunk_cap = 32;
  l.kv_blocks = 21;  // 20 in use
  GenerativeReplica r = replica(l);
  r.enqueue(request(1, 0, 300, 2), Time{0});  // 19 blocks
  ReplicaStepper steps = stepper(r);
  steps.step(), steps.step();           // load, 32 tokens
  Request high = request(2, 0, 16, 2);  // one block, and a second one with its first token
  high.priority = 2;
  r.enqueue(high, steps.now);
  steps.step(), steps.step();  // 64 tokens, and the second block
  REQUIRE(steps.finished.size() == 1);
  REQUIRE(steps.finished[0].preempted == 0);
  REQUIRE(run_dry(r).at(0).preempted == 1);
  REQUIRE(r.prefix_use().hit_tokens == 64);
}

TEST_CASE("a request whose prompt another replica computed begins with a decode") {
  GenerativeReplica r = replica(limits());
  Request q = request(1, 0, 50, 4);
  q.emitted = 1;
  q.first_token = Time{0};
  r.enqueue(q, Time{0});
  std::vector<Work> seen;
  const std::vector<Request> finished = run_dry(r, &seen);
  REQUIRE(finished.size() == 1);
  REQUIRE(finished[0].first_token == Time{0});
  REQUIRE(seen.size() == 4);  // a load and three decodes
  REQUIRE(seen[1].parts[0].shape.decode_context == 50);
  REQUIRE(seen[1].parts[0].shape.prefill_tokens == 0);
}

TEST_CASE("the blocks of a prompt for another pool are held until its KV cache was sent") {
  for (const int64_t depth : {1, 2}) {
    GenerativeLimits l = limits();
    l.kv_blocks = 6;  // 5 that count: two prompts of 40 tokens do not fit beside each other
    l.pipeline_depth = depth;
    GenerativeReplica r = replica(l);
    for (uint32_t n = 0; n < 2; ++n) {
      Request q = request(1, n, 40, 1);
      q.output_later = 3;
      r.enqueue(q, Time{0});
    }
    std::vector<Request> finished = run_dry(r);
    REQUIRE(finished.size() == 1);
    REQUIRE(r.kv().held() == 3);
    r.sent(finished[0]);
    REQUIRE(r.kv().held() == 0);
    finished = run_dry(r);
    REQUIRE(finished.size() == 1);
    REQUIRE(finished[0].number == 1);
    REQUIRE(finished[0].output_later == 3);
    r.sent(finished[0]);
    REQUIRE(r.kv().held() == 0);
  }
}

TEST_CASE("a prompt is charged to its tenant where it is computed, not where its KV cache goes") {
  GenerativeLimits l = limits();
  l.line.order = LineOrder::weighted_fair;
  GenerativeReplica r = replica(l);
  Request q = request(1, 0, 50, 4);
  q.emitted = 1;
  r.enqueue(q, Time{0});
  run_dry(r);
  REQUIRE(r.line().served(TenantId{1}) == service_of(0, 3) * WaitingLine::kServiceUnit);
}

TEST_CASE("the adapters of pinned tenants stay, and whoever else comes finds room") {
  GenerativeLimits l = limits();
  l.weight_budget = {1300};  // base 500, adapters 200 each: four fit beside it
  l.largest_need = {.bytes = {700}, .models = 2};
  l.one_base = true;
  GenerativeReplica r = replica(l);
  const auto loads_of = [&](uint32_t adapter, bool pinned) {
    Request q = request(adapter, 0, 20, 2);
    q.adapter = ModelId{adapter};
    q.pinned = pinned;
    r.enqueue(q, Time{0});
    std::vector<Work> seen;
    REQUIRE(run_dry(r, &seen).size() == 1);
    return std::count_if(seen.begin(), seen.end(), [&](const Work& w) {
      return w.kind == Work::Kind::load && w.load_model == ModelId{adapter};
    });
  };
  for (uint32_t pinned = 1; pinned <= 6; ++pinned) REQUIRE(loads_of(pinned, true) == 1);
  for (uint32_t other = 10; other < 20; ++other) REQUIRE(loads_of(other, false) == 1);
  // Three fit beside the largest need: one adapter of anybody and the base, which is always in use.
  int64_t kept = 0;
  for (uint32_t pinned = 1; pinned <= 6; ++pinned) kept += loads_of(pinned, true) == 0 ? 1 : 0;
  REQUIRE(kept == 3);
  for (uint32_t other = 10; other < 20; ++other) REQUIRE(loads_of(other, false) == 1);
}
