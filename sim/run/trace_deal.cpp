#include "sim/run/trace_deal.h"

#include <algorithm>

#include "sim/core/sampling.h"

namespace cotenant {

std::vector<Arrival> deal_traces(const World& world, PhiloxKey key,
                                 const std::function<bool(TenantId)>& keep) {
  std::vector<Arrival> dealt;
  uint32_t first = 0;  // position of the tier's first tenant
  for (uint32_t tier_index = 0; tier_index < world.scenario.tiers.size(); ++tier_index) {
    const Tier& tier = world.scenario.tiers[tier_index];
    uint32_t count = 0;
    while (first + count < world.tenants.size() && world.tenants[first + count].tier.index == tier_index)
      ++count;
    if (tier.trace && count > 0) {
      const ZipfTable popularity(count, tier.trace->zipf_s);
      RandomStream stream(key, tier_entity(tier.name), Purpose::trace_deal);
      std::vector<uint32_t> numbers(count, 0);
      const TraceRows& trace = world.traces.at(tier.trace->rows_name());
      for (const TraceRequest& row : trace.rows) {
        const uint32_t rank = row.tenant != TraceRequest::kAnyTenant
                                  ? row.tenant
                                  : static_cast<uint32_t>(popularity.sample(stream));
        const uint32_t number = numbers[rank]++;
        const Time at{tier.starts.ns + row.at.ns};
        if (!keep(TenantId{first + rank}) || at.ns >= world.scenario.horizon.ns) continue;
        dealt.push_back(
            {at, first + rank, number, static_cast<int32_t>(row.prompt_tokens),
             static_cast<int32_t>(row.output_tokens),
             BlockContent{.listed = trace.keys.data() + row.first_key, .opening_blocks = row.keys}});
      }
    }
    first += count;
  }
  std::stable_sort(dealt.begin(), dealt.end(),
                   [](const Arrival& a, const Arrival& b) { return a.at < b.at; });
  return dealt;
}

}  // namespace cotenant
