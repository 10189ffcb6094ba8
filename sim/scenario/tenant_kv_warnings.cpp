// Public here: tenant_kv_warnings.
#include "sim/scenario/tenant_kv_warnings.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/serving/counted_pool.h"
#include "sim/workload/arrival_stream.h"

namespace cotenant {
namespace {

constexpr size_t kDraws = 10'000;

struct Lengths {
  int64_t prompt = 0;
  int64_t output = 0;
};

std::vector<Lengths> drawn_turns(const World& world, uint32_t tier, PhiloxKey key) {
  RandomStream keys(key, tier, Purpose::session);
  std::vector<Arrival> turns;
  while (turns.size() < kDraws) {
    world.conversations[tier]->append_session({.at = Time{},
                                               .end = Time{world.scenario.horizon.ns},
                                               .source = 0,
                                               .entity = tier,
                                               .key = keys.bits()},
                                              turns);
  }
  std::vector<Lengths> lengths;
  for (size_t i = 0; i < kDraws; ++i) lengths.push_back({turns[i].prompt, turns[i].output});
  return lengths;
}

// What the tier's requests look like, from the first replication's seed.
std::vector<Lengths> lengths_of(const World& world, uint32_t t) {
  const Tier& tier = world.scenario.tiers[t];
  std::vector<Lengths> lengths;
  if (tier.trace) {
    for (const TraceRequest& row : world.traces.at(tier.trace->rows_name()).rows)
      lengths.push_back({row.prompt_tokens, row.output_tokens});
    return lengths;
  }
  const PhiloxKey key = stream_key(world.scenario.seed, 0);
  if (world.conversations[t] != nullptr) return drawn_turns(world, t, key);
  RandomStream prompts(key, t, Purpose::prompt_length);
  RandomStream outputs(key, t, Purpose::output_length);
  for (size_t i = 0; i < kDraws; ++i)
    lengths.push_back({draw_length(prompts, tier.prompt), draw_length(outputs, tier.output)});
  return lengths;
}

// One pool of one tenancy entry, as a tier meets it.
struct Place {
  size_t tenancy = 0;
  uint32_t tier = 0;
  uint32_t pool = 0;
  // A request of several tokens has its prompt and the first one here, or all that follow, or everything.
  enum class Part : uint8_t { whole, prompt, decode } part = Part::whole;
};

std::string warning_at(const World& world, const Place& place, const std::vector<Lengths>& requests) {
  const Scenario& s = world.scenario;
  const Pool& pool = s.pools[place.pool];
  const ReplicaMemory memory = replica_memory(world, place.tenancy, place.pool);
  const int64_t blocks = tenant_blocks(pool, memory);
  const int64_t context = s.models[world.plans[place.tenancy][place.tier].model].context_limit;
  int64_t rejected = 0;
  int64_t by_prompt = 0;
  for (const Lengths& r : requests) {
    const bool comes = place.part != Place::Part::decode || r.output > 1;
    if (!comes || r.prompt + r.output > context) continue;
    const bool all = place.part != Place::Part::prompt;
    const int64_t tokens = r.prompt + (all ? r.output : std::min<int64_t>(r.output, 1));
    rejected += CountedPool::blocks_for(tokens) > blocks ? 1 : 0;
    by_prompt += CountedPool::blocks_for(r.prompt) > blocks ? 1 : 0;
  }
  if (rejected == 0) return "";
  const Tier& tier = s.tiers[place.tier];
  return fmt::format(
      "tenancy '{}', pool '{}': tenant-kv {:g} % of {} KV blocks is {} blocks, {} tokens: of {} {} of tier "
      "'{}' {} ({:.3g} %) come to more with their output, {} by their prompt alone, and are rejected",
      s.tenancies[place.tenancy].label, pool.name, 100 * pool.tenant_kv, memory.kv_blocks - 1, blocks,
      blocks * kKvBlockTokens, requests.size(), tier.trace ? "requests in the trace" : "drawn requests",
      tier.name, rejected, 100.0 * static_cast<double>(rejected) / static_cast<double>(requests.size()),
      by_prompt);
}

}  // namespace

std::vector<std::string> tenant_kv_warnings(const World& world) {
  const Scenario& s = world.scenario;
  std::vector<std::string> warnings;
  for (uint32_t t = 0; t < s.tiers.size(); ++t) {
    std::vector<Lengths> requests;  // made where a limit asks for them
    const auto look = [&](const Place& place) {
      if (s.pools[place.pool].tenant_kv == 0) return;
      if (requests.empty()) requests = lengths_of(world, t);
      std::string warning = warning_at(world, place, requests);
      if (!warning.empty()) warnings.push_back(std::move(warning));
    };
    for (size_t e = 0; e < s.tenancies.size(); ++e) {
      const TierPlan& plan = world.plans[e][t];
      const bool apart = plan.decode_pool != TierPlan::kNoPool;
      look({e, t, plan.pool, apart ? Place::Part::prompt : Place::Part::whole});
      if (apart) look({e, t, plan.decode_pool, Place::Part::decode});
    }
  }
  return warnings;
}

}  // namespace cotenant
