#include "sim/run/bills.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "sim/fleet/lease_meter.h"
#include "sim/ledger/apportion.h"

namespace cotenant {
namespace {

class Biller {
 public:
  Biller(const World& world, size_t tenancy, const TrainingOutcome& training)
      : world_(world), scenario_(world.scenario), tenancy_(tenancy), training_(training) {
    for (const Pool& pool : scenario_.pools) pools_.emplace_back(rate_of(pool));
    waiting_busy_.resize(scenario_.pools.size());
    storage_carry_.resize(world.tenants.size() + 1, 0);
  }

  Bills bill(int64_t training_devices, const ServingTotals& serving, const DeviceUse& use) {
    for (size_t w = 0; w < serving.windows.size(); ++w) {
      from_ = Time{static_cast<int64_t>(w) * scenario_.window.ns};
      to_ = std::min(from_ + scenario_.window, Time{scenario_.horizon.ns});
      bills_.by_window.emplace_back(world_.tenants.size());
      bills_.platform.emplace_back();
      for (uint32_t p = 0; p < scenario_.pools.size(); ++p) {
        serve(p, serving.windows[w][p], use_of_pool(p, use.all[w], use.on_decode_pools[w]));
      }
      if (training_devices > 0) train(w);
      store();
    }
    check_sum();
    return std::move(bills_);
  }

 private:
  NanoDollars rate_of(const Pool& pool) const {
    for (const Sku& sku : scenario_.skus) {
      if (sku.name == pool.sku) return {sku.rate_nano_per_hour};
    }
    CHECK_MSG(false, "the scenario reader checks SKU names");
    return {};
  }

  [[nodiscard]] bool present(uint32_t tenant) const { return world_.tenants[tenant].joined < to_; }

  // Splits `amount` over `members` by `usage`; nobody there: the platform pays.
  void split(NanoDollars amount, const std::vector<uint32_t>& members, const std::vector<int64_t>& usage,
             NanoDollars Money::*kind) {
    bills_.charged += amount;
    if (members.empty()) {
      bills_.platform.back().*kind += amount;
      return;
    }
    std::vector<int64_t> weights;
    weights.reserve(members.size());
    for (const uint32_t t : members) weights.push_back(usage.empty() ? 1 : usage[t]);
    const std::vector<int64_t> parts = apportion(amount.count, weights);
    for (size_t i = 0; i < members.size(); ++i)
      bills_.by_window.back()[members[i]].*kind += NanoDollars{parts[i]};
  }

  // Usage is booked when a request ends. Busy time of a window in which none ended waits for the next that
  // has usage; what is left at the horizon is split by what was in flight, or equally.
  void split_busy(uint32_t p, NanoDollars busy, const std::vector<uint32_t>& members,
                  const std::vector<int64_t>& usage) {
    NanoDollars& waiting = waiting_busy_[p];
    waiting += busy;
    const bool used = std::any_of(members.begin(), members.end(), [&](uint32_t t) { return usage[t] > 0; });
    if (!used && to_.ns < scenario_.horizon.ns) return;
    split(waiting, members, usage, &Money::serving);
    waiting = {};
  }

  // Of what each tenant used in all, the part on pool p.
  std::vector<int64_t> use_of_pool(uint32_t p, std::vector<int64_t> use,
                                   const std::vector<int64_t>& on_decode_pools) const {
    for (uint32_t t = 0; t < world_.tenants.size(); ++t) {
      if (plan_of(t).decode_pool == p) use[t] = on_decode_pools[t];
      if (plan_of(t).pool == p) use[t] -= on_decode_pools[t];
    }
    return use;
  }
  [[nodiscard]] const TierPlan& plan_of(uint32_t tenant) const {
    return world_.plans[tenancy_][world_.tenants[tenant].tier.index];
  }

  void serve(uint32_t p, const PoolWindow& window, const std::vector<int64_t>& usage) {
    std::vector<uint32_t> members;
    for (uint32_t t = 0; t < world_.tenants.size(); ++t) {
      const bool shared = plan_of(t).choice.placement == Placement::shared;
      // Usage is booked when a request ends, so a member always has joined.
      if (plan_of(t).uses(p) && shared && present(t)) members.push_back(t);
    }
    const LeaseMeter::Charge charge = pools_[p].charge(window.shared);
    split_busy(p, charge.busy, members, usage);
    split(charge.idle, members, usage, &Money::idle);
    for (const auto& [owner, times] : window.dedicated) {
      auto& meter = dedicated_.try_emplace(owner, rate_of(scenario_.pools[p])).first->second;
      const LeaseMeter::Charge own = meter.charge(times);
      split(own.busy, {owner.index}, {}, &Money::serving);
      split(own.idle, {owner.index}, {}, &Money::idle);
    }
  }

  void train(size_t w) {
    uint32_t pool = 0;
    while (scenario_.pools[pool].name != scenario_.training.pool) ++pool;
    std::vector<uint32_t> members;
    for (uint32_t t = 0; t < world_.tenants.size(); ++t) {
      if (plan_of(t).choice.kind != TenancyKind::shared_pretrained && present(t)) members.push_back(t);
    }
    const LeaseMeter::Charge charge = pools_[pool].charge(training_.pool_times[w]);
    split(charge.busy, members, training_.usage_ns[w], &Money::training);
    split(charge.idle, members, training_.usage_ns[w], &Money::idle);
  }

  // Byte-nanoseconds in the current window of something that exists from `since` on.
  [[nodiscard]] __int128 held(Bytes bytes, Time since) const {
    const Time start = std::max(since, from_);
    return start >= to_ ? 0 : static_cast<__int128>(bytes.count) * (to_ - start).ns;
  }

  // Money for byte-nanoseconds; fractions of a nano-dollar are carried per payer.
  NanoDollars storage_price(__int128 byte_ns, size_t payer) {
    constexpr __int128 kGbMonth = static_cast<__int128>(1'000'000'000) * kMonth.ns;
    const auto rate = static_cast<int64_t>(std::floor(scenario_.prices.storage_nano_per_gb_month + 0.5));
    const __int128 exact = byte_ns * rate + storage_carry_[payer];
    storage_carry_[payer] = exact % kGbMonth;
    return {static_cast<int64_t>(exact / kGbMonth)};
  }

  void store() {
    std::vector<uint32_t> members;
    for (uint32_t t = 0; t < world_.tenants.size(); ++t) {
      if (!present(t)) continue;
      members.push_back(t);
      __int128 byte_ns = held(world_.tenants[t].data, world_.tenants[t].joined);
      // One version of a tenant's own model is kept; it exists from the first training on.
      for (const Assignment& a : training_.assignments[t]) {
        const ModelId own = a.adapter.valid() ? a.adapter : a.weights;
        const ModelVersion& version = training_.lineage.at(own);
        if (!version.audience.valid()) continue;
        byte_ns += held(version.bytes, version.ready);
        break;
      }
      split(storage_price(byte_ns, t), {t}, {}, &Money::storage);
    }
    __int128 shared = 0;
    std::vector<bool> counted(scenario_.models.size(), false);
    for (const TierPlan& plan : world_.plans[tenancy_]) {
      if (counted[plan.model]) continue;
      counted[plan.model] = true;
      shared += held(training_.lineage.at(ModelId{plan.model}).bytes, Time{0});
    }
    std::vector<bool> pooled(scenario_.models.size(), false);
    for (const TrainingRunRecord& run : training_.runs) {
      // One version of a pooled model is kept; it exists from the first run on.
      if (!run.for_others || pooled[run.model]) continue;
      pooled[run.model] = true;
      shared += held(training_.lineage.at(run.made).bytes, run.finished);
    }
    split(storage_price(shared, world_.tenants.size()), members, {}, &Money::storage);
  }

  void check_sum() const {
    NanoDollars sum{};
    for (const std::vector<Money>& window : bills_.by_window) {
      for (const Money& money : window) sum += money.total();
    }
    for (const Money& money : bills_.platform) sum += money.total();
    CHECK_MSG(sum == bills_.charged, "bills must sum to what was charged");
  }

  const World& world_;
  const Scenario& scenario_;
  size_t tenancy_;
  const TrainingOutcome& training_;
  Time from_{};
  Time to_{};
  std::vector<LeaseMeter> pools_;
  std::vector<NanoDollars> waiting_busy_;  // by pool
  std::map<TenantId, LeaseMeter> dedicated_;
  std::vector<__int128> storage_carry_;
  Bills bills_;
};

}  // namespace

Bills bill(const World& world, size_t tenancy, const TrainingOutcome& training, int64_t training_devices,
           const ServingTotals& serving, const DeviceUse& use) {
  return Biller(world, tenancy, training).bill(training_devices, serving, use);
}

}  // namespace cotenant
