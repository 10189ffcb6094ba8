#include "sim/scenario/objective_floor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace cotenant {
namespace {

int64_t least_of(const LawPart& part) {
  if (part.law == Law::fixed || part.law == Law::uniform) return std::llround(part.a);
  return 0;
}

// The shortest that a law gives.
int64_t least_of(const LengthLaw& law) {
  if (law.parts.empty()) return 0;
  int64_t least = INT64_MAX;
  for (const LawPart& part : law.parts) least = std::min(least, least_of(part));
  return std::clamp(least, law.minimum, law.maximum);
}

struct Shortest {
  int64_t prompt = 0;
  int64_t output = 0;
};

Shortest shortest_of(const World& world, const Tier& tier) {
  if (!tier.trace) return {least_of(tier.prompt), least_of(tier.output)};
  Shortest shortest{INT64_MAX, INT64_MAX};
  for (const TraceRequest& row : world.traces.at(tier.trace->rows_name()).rows) {
    shortest.prompt = std::min<int64_t>(shortest.prompt, row.prompt_tokens);
    shortest.output = std::min<int64_t>(shortest.output, row.output_tokens);
  }
  return shortest.prompt == INT64_MAX ? Shortest{} : shortest;
}

Duration of_line(const StepLine& line) {
  return {line.base_ps / 1000};
}

struct Floors {
  Duration ttft, tpot, e2e;
};

Floors floors_of(const World& world, const TierPlan& plan, const Shortest& shortest) {
  const Pool& pool = world.scenario.pools[plan.pool];
  const ModelOnSku& model = world.model_on_pool(plan.model, plan.pool);
  const Duration client = model.client.in(shortest.prompt) + model.client.out();
  if (world.scenario.models[plan.model].kind == Model::Kind::scoring) {
    const Duration all = client + model.times->score(std::max<int64_t>(shortest.prompt, 1), Residency::hot);
    return {all, {}, all};
  }
  Floors floors{client, {}, {}};
  const int64_t chunk = pool.chunk_cap > 0 ? std::min(pool.chunk_cap, pool.token_budget) : pool.token_budget;
  for (int64_t done = 0; done < std::max<int64_t>(shortest.prompt, 1);) {
    const int64_t tokens = std::min(chunk, std::max<int64_t>(shortest.prompt, 1) - done);
    BatchShape shape;
    shape.prefill_tokens = tokens;
    shape.prefill_work_x2 = tokens * (2 * done + tokens);
    shape.prefill_sequences = 1;
    done += tokens;
    shape.head_sequences = done >= shortest.prompt ? 1 : 0;
    floors.ttft = floors.ttft + of_line(model.times->step(shape));
  }
  BatchShape decode;
  decode.decode_sequences = decode.head_sequences = 1;
  decode.decode_context = decode.min_context = decode.max_context = shortest.prompt;
  const uint32_t where = plan.decode_pool == TierPlan::kNoPool ? plan.pool : plan.decode_pool;
  floors.tpot = of_line(world.model_on_pool(plan.model, where).times->step(decode));
  floors.e2e = floors.ttft + floors.tpot * std::max<int64_t>(shortest.output - 1, 0);
  return floors;
}

double ms(Duration d) {
  return static_cast<double>(d.ns) * 1e-6;
}

}  // namespace

std::vector<std::string> objective_warnings(const World& world) {
  const Scenario& s = world.scenario;
  std::vector<std::string> warnings;
  for (uint32_t t = 0; t < s.tiers.size(); ++t) {
    const Tier& tier = s.tiers[t];
    if (tier.count == 0 && tier.growth.kind == Growth::Kind::none) continue;
    const Shortest shortest = shortest_of(world, tier);
    for (size_t e = 0; e < s.tenancies.size(); ++e) {
      const Pool& pool = s.pools[world.plans[e][t].pool];
      if (tier.topics && pool.response_cache != CacheScope::off) continue;  // no device may be needed
      const Floors floors = floors_of(world, world.plans[e][t], shortest);
      const auto look = [&](const char* name, const Objective& objective, Duration floor) {
        if (objective.below.ns == 0 || floor < objective.below) return;
        warnings.push_back(
            fmt::format("tenancy '{}', tier '{}': no request can meet {} < {:.4g} ms: the shortest ({} "
                        "tokens in, {} out) "
                        "takes {:.4g} ms alone on an idle device; its misses will be UNDER_PROVISIONED",
                        s.tenancies[e].label, tier.name, name, ms(objective.below), shortest.prompt,
                        shortest.output, ms(floor)));
      };
      look("ttft", tier.slo.ttft, floors.ttft);
      if (shortest.output != 1) look("tpot", tier.slo.tpot, floors.tpot);
      look("e2e", tier.slo.e2e, floors.e2e);
    }
  }
  return warnings;
}

}  // namespace cotenant
