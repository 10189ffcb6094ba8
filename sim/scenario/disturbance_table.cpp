#include "sim/scenario/disturbance_table.h"

#include <algorithm>
#include <vector>

#include "sim/scenario/codecs.h"

namespace cotenant {
namespace {

using D = Disturbance;
using Kind = Disturbance::Kind;

constexpr Duration kLongest = {kDay.ns * 36'525};  // 100 years

struct Word {
  const char* word;
  Kind kind;
  const char* does;
};

const std::vector<Word>& words() {
  static const std::vector<Word> all = {
      {"adapter-race", Kind::adapter_race, "a request is served with another tenant's model"},
      {"ignore-consent", Kind::ignore_consent, "shared training takes every tenant's data"},
      {"skip-scrub", Kind::skip_scrub, "KV memory is handed over without being overwritten"},
      {"short-cache-key", Kind::short_cache_key,
       "prefix caches forget which weights and adapter computed a block, response caches whose answer it is"},
      {"stale-version", Kind::stale_version, "a request is served with the version before its tenant's"},
      {"pooled-connection", Kind::pooled_connection,
       "an answer goes to the tenant whose answer went over the replica's connection before"},
      {"mislabelled-region", Kind::mislabelled_region, "a pool's devices stand elsewhere than it says"},
      {"node-loss", Kind::node_loss, "replicas fail with all that is on them"},
      {"process-crash", Kind::process_crash,
       "a request of a tier takes its replica down, with everybody's requests there"},
      {"node-reclaim", Kind::node_reclaim,
       "replicas get nothing new; after a notice what is left on them is lost"},
      {"slow-store", Kind::slow_store, "the bandwidth of every store is divided"},
      {"adapter-storm", Kind::adapter_storm,
       "again and again everything resident that no request uses is dropped"},
      {"noisy-tenant", Kind::noisy_tenant, "the tenants of a tier ask more often"},
      {"flood", Kind::flood, "the prompts of a tier are of one length, a long one"},
      {"no-lift", Kind::no_lift,
       "weighted-fair schedulers pay a tenant that comes back for the time that it was away"},
  };
  return all;
}

Field<D> kind_field() {
  std::vector<std::pair<const char*, Kind>> values;
  std::string help;
  for (const Word& w : words()) {
    values.emplace_back(w.word, w.kind);
    help += (help.empty() ? "" : "; ") + std::string(w.word) + ": " + w.does;
  }
  return scalar_field<D>("kind", enum_codec<Kind>(values), &D::kind, help.c_str()).required();
}

// `field`, where the kind is one of these.
Field<D> only(std::vector<Kind> kinds, Field<D> field) {
  std::string named;
  for (size_t i = 0; i < kinds.size(); ++i) {
    const auto at =
        std::find_if(words().begin(), words().end(), [&](const Word& w) { return w.kind == kinds[i]; });
    named += (i == 0 ? "kind is " : i + 1 == kinds.size() ? " or " : ", ") + std::string(at->word);
  }
  return std::move(field).only_when(
      named, [kinds](const D& d) { return std::find(kinds.begin(), kinds.end(), d.kind) != kinds.end(); });
}

// What it hits.
Table<D> target_rows() {
  const auto shares = [](const D& d) {
    const bool of_requests = d.kind == Kind::adapter_race || d.kind == Kind::skip_scrub ||
                             d.kind == Kind::stale_version || d.kind == Kind::pooled_connection;
    const bool of_replicas = d.kind == Kind::node_loss || d.kind == Kind::node_reclaim;
    return of_requests || (of_replicas && d.replica == 0);
  };
  return {
      only({Kind::mislabelled_region, Kind::node_loss, Kind::node_reclaim, Kind::adapter_storm},
           scalar_field<D>("pool", identifier_codec("serve"), &D::pool, "the pool that it hits").required()),
      only({Kind::mislabelled_region}, scalar_field<D>("region", identifier_codec("us-east"), &D::region,
                                                       "where the devices really stand")
                                           .required()),
      only({Kind::process_crash, Kind::noisy_tenant, Kind::flood},
           scalar_field<D>("tier", text_codec("gold"), &D::tier, "the tier whose tenants do it").required()),
      only({Kind::node_loss, Kind::node_reclaim},
           scalar_field<D>("replica", limit_codec(1, 1'000'000), &D::replica,
                           "the one of the pool's shared replicas that it hits, counted from 1")
               .shown_as("1")
               .otherwise("the share")),
      scalar_field<D>("share", share_codec(), &D::share,
                      "of the requests or hand-overs that it hits; of the pool's shared replicas: the first "
                      "ones, at least one")
          .only_when("kind is adapter-race, skip-scrub, stale-version or pooled-connection; or is node-loss "
                     "or node-reclaim and `replica` is not stated",
                     shares),
  };
}

// How much, and how long.
Table<D> size_rows() {
  return {
      only({Kind::node_reclaim}, scalar_field<D>("notice", duration_codec(Duration{}, kDay), &D::notice,
                                                 "from when it gets nothing new until it is taken away")
                                     .shown_as("30 s")),
      only({Kind::node_loss, Kind::process_crash, Kind::node_reclaim},
           scalar_field<D>("down", duration_codec({1}, kLongest), &D::down,
                           "how long it is gone; it comes back empty")
               .shown_as("5 min")
               .required()),
      only({Kind::slow_store, Kind::noisy_tenant},
           scalar_field<D>("factor", number_codec(1, 1000, "10"), &D::factor, "how many times slower or more")
               .required()),
      only({Kind::adapter_storm},
           scalar_field<D>("every", duration_codec(kMillisecond, kLongest), &D::every, "from drop to drop")
               .shown_as("10 s")
               .required()),
      only({Kind::flood}, scalar_field<D>("prompt", whole_codec(1, 10'000'000), &D::prompt,
                                          "tokens (rows) that are new in each request")
                              .shown_as("4000")
                              .required()),
  };
}

Table<D> time_rows() {
  const auto lasts = [](const D& d) {
    return d.kind != Kind::node_loss && d.kind != Kind::process_crash && d.kind != Kind::node_reclaim &&
           d.kind != Kind::no_lift;
  };
  const auto begins = [](const D& d) { return d.kind != Kind::no_lift; };
  const auto by_entry = [](const D& d) { return d.kind != Kind::noisy_tenant && d.kind != Kind::flood; };
  return {
      scalar_field<D>("from", duration_codec(Duration{}, kLongest), &D::from, "when it begins")
          .only_when("kind is not no-lift, which holds throughout", begins),
      scalar_field<D>("until", end_codec(), &D::until, "when it ends")
          .otherwise("the end")
          .only_when("kind is not node-loss, process-crash, node-reclaim or no-lift", lasts),
      scalar_field<D>("tenancy", identifier_codec("shared"), &D::tenancy,
                      "the one tenancy entry that it hits")
          .otherwise("every entry")
          .only_when("kind is not noisy-tenant or flood: all entries see the same arrivals", by_entry),
  };
}

}  // namespace

const Table<Disturbance>& disturbance_table() {
  static const Table<D> table = [] {
    Table<D> rows;
    rows.push_back(kind_field());
    for (Table<D> more : {target_rows(), size_rows(), time_rows()}) {
      for (Field<D>& row : more) rows.push_back(std::move(row));
    }
    return rows;
  }();
  return table;
}

}  // namespace cotenant
