#include "sim/scenario/tenant_kv_warnings.h"

#include <catch2/catch.hpp>

#include "tests/sim/run/small_world.h"

using namespace cotenant;

namespace {

// One tier of fixed lengths on a pool of 100 KV blocks and the one that is kept back.
Scenario limited(double tenant_kv, int64_t prompt, int64_t output) {
  Scenario s = testing::small_scenario();
  s.tiers.resize(1);
  s.tiers[0].prompt = {{{1, Law::fixed, static_cast<double>(prompt), 0}}, 1, 10'000};
  s.tiers[0].output = {{{1, Law::fixed, static_cast<double>(output), 0}}, 1, 10'000};
  s.tenancies.resize(1);
  s.tenancies[0].label = "shared";
  s.models[0].context_limit = 1600;
  s.pools[0].kv_blocks = 101;
  s.pools[0].tenant_kv = tenant_kv;
  return s;
}

std::vector<std::string> warnings(const Scenario& s) {
  return tenant_kv_warnings(*testing::small_world(s));
}

bool has(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a tenant-kv that holds the longest request, or none at all, is no reason to warn") {
  REQUIRE(warnings(limited(0, 400, 400)).empty());
  REQUIRE(warnings(limited(0.1, 100, 60)).empty());  // 10 blocks of 16 hold 160 tokens
}

TEST_CASE("a tenant-kv too small for a tier's requests is told with the arithmetic") {
  const auto one_token_more = warnings(limited(0.1, 100, 61));
  REQUIRE(one_token_more.size() == 1);
  INFO(one_token_more[0]);
  REQUIRE(
      one_token_more[0] ==
      "tenancy 'shared', pool 'serve': tenant-kv 10 % of 100 KV blocks is 10 blocks, 160 tokens: of 10000 "
      "drawn requests of tier 'gold' 10000 (100 %) come to more with their output, 0 by their prompt "
      "alone, and are rejected");
  REQUIRE(has(warnings(limited(0.1, 161, 1))[0], "10000 by their prompt alone"));
}

TEST_CASE("what the model's context rejects anyway is not put down to tenant-kv") {
  Scenario s = limited(0.1, 100, 61);
  s.models[0].context_limit = 160;
  REQUIRE(warnings(s).empty());
}

TEST_CASE("a trace is counted row by row") {
  Scenario s = limited(0.1, 1, 1);
  s.tiers[0].trace = TraceLoad{.file = "rows"};
  TraceRows rows;
  for (const int64_t prompt : {100, 150, 159, 160, 161, 5000}) {
    TraceRequest row;
    row.prompt_tokens = prompt;
    row.output_tokens = 1;
    rows.rows.push_back(row);
  }
  WorldInputs inputs;
  inputs.profiles.emplace("made-up", testing::small_profile());
  inputs.traces.emplace("rows", rows);
  const auto world = build_world(s, std::move(inputs));
  REQUIRE(world.ok());
  const auto told = tenant_kv_warnings(*world.value());
  REQUIRE(told.size() == 1);
  INFO(told[0]);
  // 160 + 1 by the output, 161 by the prompt; 5,000 is beyond the model's context.
  REQUIRE(has(told[0], "of 6 requests in the trace of tier 'gold' 2 (33.3 %)"));
  REQUIRE(has(told[0], "1 by their prompt alone"));
}

TEST_CASE("where tokens are made in another pool, the first pool's share holds prompts and one token") {
  Scenario s = limited(0.1, 150, 50);
  Pool decode = s.pools[0];
  decode.name = "decode";
  decode.tenant_kv = 0.1;
  s.pools[0].decode_pool = "decode";
  s.pools[0].kv_link_byte_per_s = 1'000'000'000;
  s.pools.push_back(decode);
  const auto told = warnings(s);
  REQUIRE(told.size() == 1);
  REQUIRE(has(told[0], "pool 'decode'"));
  s.tiers[0].prompt.parts[0].a = 159;  // with its only token it never goes there
  s.tiers[0].output.parts[0].a = 1;
  REQUIRE(warnings(s).empty());
  s.tiers[0].prompt.parts[0].a = 160;
  REQUIRE(has(warnings(s).at(0), "pool 'serve'"));
}
