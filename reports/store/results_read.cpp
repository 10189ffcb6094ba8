// Public: read_results, read_profile, stored_kind.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "reports/store/guarded_child.h"
#include "reports/store/hdf5_reader.h"
#include "reports/store/results_file.h"
#include "reports/store/results_layout.h"

namespace cotenant {

bool is_kernel_name(const std::string& name) {
  constexpr const char* allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./";
  return !name.empty() && name.size() <= 200 && name.front() != '/' && name.back() != '/' &&
         name.find("//") == std::string::npos && name.front() != '.' &&
         name.find("/.") == std::string::npos && name.find_first_not_of(allowed) == std::string::npos;
}

namespace {

// "cotenant.results/2" -> "cotenant.results/".
std::string format_of(const std::string& schema) {
  return schema.substr(0, schema.rfind('/') + 1);
}

// True, and the reader has no problem, when the file says that it is of this kind.
bool schema_is(Hdf5Reader& file, const std::string& wanted) {
  std::string found;
  if (file.problems().empty()) file.text("/", "schema", found);
  if (!file.problems().empty() || found == wanted) return file.problems().empty();
  if (format_of(found) == format_of(wanted)) {
    const char* again = wanted == kResultsSchema ? "run the scenario again" : "calibrate again";
    file.problem("", fmt::format("written by another version of cotenant (schema {}; this one reads {}): {}",
                                 found, wanted, again));
  } else {
    file.problem("/@schema", fmt::format("must be {}, not {}", wanted, found));
  }
  return false;
}

template <class Row, class T>
void read_column(Hdf5Reader& file, const std::string& path, const char* unit, bool first,
                 std::vector<Row>& rows, T Row::*member) {
  std::vector<T> values;
  file.column(path, unit, values);
  if (first) rows.resize(values.size());
  if (values.size() != rows.size()) {
    file.problem(path, fmt::format("has {} rows where the first column has {}", values.size(), rows.size()));
    return;
  }
  for (size_t i = 0; i < rows.size(); ++i) rows[i].*member = std::move(values[i]);
}

template <class Row>
void read_table(Hdf5Reader& file, const std::string& name, std::vector<Row>& rows) {
  bool first = true;
  Row::describe([&](const char* column, const char* unit, auto member) {
    read_column(file, "/" + name + "/" + column, unit, first, rows, member);
    first = false;
  });
}

// Whether a double of this column may be NaN: only what is estimated from samples.
bool may_be_nan(const std::string& column) {
  static const std::set<std::string> estimated = {
      "ttft_p99_s", "mean_s",          "p50_s",         "p90_s",     "p95_s",      "p99_s",
      "p999_s",     "quantity",        "effective",     "value_s",   "low_s",      "high_s",
      "simulated",  "executed",        "ratio",         "ratio_low", "ratio_high", "leave_one_out_s",
      "shapley_s",  "entitled_tokens", "dominant_share"};
  return estimated.contains(column);
}

template <class Row>
void check_numbers(Hdf5Reader& file, const std::string& table, const std::vector<Row>& rows) {
  Row::describe([&](const char* column, const char*, auto member) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(Row().*member)>, double>) {
      if (may_be_nan(column)) return;
      for (const Row& row : rows) {
        if (std::isfinite(row.*member)) continue;
        file.problem("/" + table + "/" + column, "holds a value that is not finite");
        return;
      }
    }
  });
}

// Every row of the other tables belongs to a unit of /units, so that a report need not ask again.
template <class Row>
void check_units(Hdf5Reader& file, const std::string& table, const std::vector<Row>& rows,
                 const std::set<int64_t>& units) {
  if constexpr (requires(const Row& r) { r.unit; }) {
    for (const Row& row : rows) {
      if (units.contains(row.unit)) continue;
      file.problem("/" + table + "/unit", fmt::format("names unit {}, which /units does not have", row.unit));
      return;
    }
  }
}

template <class Row, class V>
void integer_columns(V&& v) {
  Row::describe([&](const char* column, const char* unit, auto member) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(Row().*member)>, int64_t>)
      v(column, unit, member);
  });
}

// Times and counts must leave room to add and subtract a few of them. Device times of a pool are not added as
// integers, and may be large.
template <class Row>
void check_integers(Hdf5Reader& file, const std::string& table, const std::vector<Row>& rows) {
  constexpr int64_t kMost = int64_t{1} << 59;
  integer_columns<Row>([&](const char* column, const std::string& unit, auto member) {
    if (std::is_same_v<Row, PoolRow> && unit == "ns") return;
    const bool fits = std::all_of(rows.begin(), rows.end(),
                                  [&](const Row& row) { return row.*member >= -1 && row.*member <= kMost; });
    if (!fits) file.problem("/" + table + "/" + column, "holds a value out of range");
  });
}

// Reports add up the counts of a table, and the money of a unit: four columns of it fit into 64 bits.
template <class Row>
void check_sums(Hdf5Reader& file, const std::string& table, const std::vector<Row>& rows) {
  constexpr __int128 kMost = (__int128{1} << 61) - 1;
  integer_columns<Row>([&](const char* column, const std::string& unit, auto member) {
    if (unit.empty() || unit == "ns") return;
    std::map<int64_t, __int128> sums;
    for (const Row& row : rows) {
      int64_t key = 0;
      if constexpr (requires { row.unit; }) key = unit == "nano-currency" ? row.unit : 0;
      sums[key] += row.*member;
    }
    for (const auto& [key, sum] : sums) {
      if (sum <= kMost) continue;
      file.problem("/" + table + "/" + column, "sums to more than can be counted");
      return;
    }
  });
}

template <class Row>
void check_name_count(Hdf5Reader& file, const std::string& path, const std::vector<Row>& rows,
                      std::string Row::*member, size_t most) {
  std::set<std::string_view> names;
  for (const Row& row : rows) {
    names.insert(row.*member);
    if (names.size() <= most) continue;
    file.problem(path, fmt::format("has more than {} names", most));
    return;
  }
}

// Reports look at every pair of entries, and at every tier and code in every unit. Scenarios hold at most 100
// entries and 1,000 tiers (sim/scenario/scenario_table.cpp); two more tiers are "all" and kNoTenant.
void check_extent(Hdf5Reader& file, const RunResults& results) {
  constexpr size_t kEntries = 100;
  constexpr size_t kTiers = 1'002;
  check_name_count(file, "/units/tenancy", results.units, &UnitRow::tenancy, kEntries);
  check_name_count(file, "/windows/tier", results.windows, &WindowRow::tier, kTiers);
  check_name_count(file, "/service/tier", results.service, &ServiceRow::tier, kTiers);
  check_name_count(file, "/latency/tier", results.latency, &LatencyRow::tier, kTiers);
  check_name_count(file, "/tenants/tier", results.tenants, &TenantRow::tier, kTiers);
  check_name_count(file, "/breaches/code", results.breaches, &BreachRow::code, kEntries);
  const int64_t last = results.horizon_ns / std::max<int64_t>(results.window_ns, 1);
  const auto beyond = [&](const auto& row) { return row.window > last; };
  if (std::any_of(results.windows.begin(), results.windows.end(), beyond))
    file.problem("/windows/window", "lies beyond the horizon");
  if (std::any_of(results.pools.begin(), results.pools.end(), beyond))
    file.problem("/pools/window", "lies beyond the horizon");
}

void check_results(Hdf5Reader& file, const RunResults& results) {
  std::set<int64_t> units;
  for (const UnitRow& row : results.units) {
    if (!units.insert(row.unit).second)
      file.problem("/units/unit", fmt::format("has unit {} twice", row.unit));
  }
  RunResults::tables(results, [&](const char* table, const auto& rows) {
    check_numbers(file, table, rows);
    check_integers(file, table, rows);
    check_sums(file, table, rows);
    check_units(file, table, rows, units);
  });
  check_extent(file, results);
  if (results.horizon_ns <= 0) file.problem("/@horizon_ns", "must be positive");
  if (results.window_ns <= 0) file.problem("/@window_ns", "must be positive");
}

RunResults parse_results(const std::string& path, const std::string& bytes, Diagnostics& problems) {
  Hdf5Reader file(path, bytes);
  RunResults results;
  if (schema_is(file, kResultsSchema)) {
    header_fields(results, [&](const char* field, auto& value) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(value)>, std::string>) {
        file.text("/", field, value);
      } else {
        file.number("/", field, value);
      }
    });
    int64_t complete = 0;
    file.number("/", "complete", complete);
    results.complete = complete == 1;
    if (complete != 0 && complete != 1) file.problem("/@complete", "must be 0 or 1");
    std::vector<std::string> text;
    for (auto& [name, into] :
         {std::pair{"/about", &results.about}, std::pair{"/scenario", &results.scenario}}) {
      file.column(name, "", text);
      if (text.size() == 1) *into = text.front();
      if (text.size() > 1) file.problem(name, "must hold one text");
    }
    RunResults::tables(results, [&](const char* table, auto& rows) { read_table(file, table, rows); });
    file.verify_digest(true);
    if (file.problems().empty()) check_results(file, results);
  }
  problems = std::move(file.problems());
  return results;
}

void read_axes(Hdf5Reader& file, const std::string& path, std::vector<Axis>& axes) {
  std::vector<std::string> names;
  std::vector<std::string> rules;
  file.column(path + "/axis_names", "", names);
  file.column(path + "/axis_rules", "", rules);
  if (rules.size() != names.size()) file.problem(path + "/axis_rules", "must have one rule for each axis");
  for (size_t i = 0; i < std::min(names.size(), rules.size()); ++i) {
    const bool good = is_kernel_name(names[i]) && (rules[i] == kAxisBucket || rules[i] == kAxisLinear);
    if (!good) {
      file.problem(path + "/axis_rules", "must be bucket or linear, for axes with plain names");
      continue;
    }
    Axis axis{names[i], rules[i] == kAxisBucket ? AxisRule::bucket : AxisRule::linear, {}};
    file.column(path + "/axes/" + names[i], "", axis.points);
    axes.push_back(std::move(axis));
  }
}

void read_kernel(Hdf5Reader& file, KernelTimes& kernel) {
  const std::string path = "/kernels/" + kernel.name;
  std::string word;
  file.text(path, "provenance", word);
  bool known = false;
  for (const Provenance p : kProvenances) {
    if (to_word(p) != word) continue;
    kernel.provenance = p;
    known = true;
  }
  if (!known) file.problem(path + "@provenance", fmt::format("does not know the word \"{}\"", word));
  read_axes(file, path, kernel.axes);
  file.column(path + "/time_s", "s", kernel.time_s);
  file.column(path + "/samples", "", kernel.samples);
  file.column(path + "/settled", "", kernel.settled);
  file.column(path + "/flop", "flop", kernel.flop);
  file.column(path + "/bytes", "B", kernel.bytes);
}

void read_kernels(Hdf5Reader& file, Profile& profile) {
  std::vector<std::string> names;
  file.column("/kernel_names", "", names);
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (!is_kernel_name(name) || !seen.insert(name).second) {
      file.problem("/kernel_names", fmt::format("\"{}\" is no kernel name, or stands there twice", name));
      continue;
    }
    KernelTimes kernel;
    kernel.name = name;
    read_kernel(file, kernel);
    profile.kernels.push_back(std::move(kernel));
  }
}

template <class Row, class Fields>
void read_fields(Hdf5Reader& file, const std::string& group, std::vector<Row>& rows, Fields&& fields) {
  bool first = true;
  fields([&](const char* column, const char* unit, auto member) {
    read_column(file, group + "/" + column, unit, first, rows, member);
    first = false;
  });
}

void read_skews(Hdf5Reader& file, std::vector<SkewTable>& skews) {
  std::vector<std::string> models;
  file.column("/skew/models", "", models);
  for (size_t i = 0; i < models.size(); ++i) {
    const std::string path = "/skew/" + std::to_string(i);
    SkewTable skew;
    skew.model = models[i];
    file.number(path, "alpha_default", skew.alpha_default);
    read_axes(file, path, skew.axes);
    file.column(path + "/alpha", "", skew.alpha);
    skews.push_back(std::move(skew));
  }
}

// What a profile may leave out: files of other makers, and those that were written before there was such a
// table.
void read_optional_tables(Hdf5Reader& file, Profile& profile) {
  if (file.has("/corun")) read_fields(file, "/corun", profile.coruns, [](auto&& v) { corun_fields(v); });
  if (file.has("/parameters")) {
    read_fields(file, "/parameters", profile.parameters, [](auto&& v) { parameter_fields(v); });
  }
  if (file.has("/skew")) read_skews(file, profile.skews);
  reference_fields(profile, [&](const char* path, std::vector<double>& times) {
    if (file.has(path)) file.column(path, "s", times);
  });
}

Profile parse_profile(const std::string& path, const std::string& bytes, Diagnostics& problems) {
  Hdf5Reader file(path, bytes);
  Profile profile;
  if (schema_is(file, kProfileSchema)) {
    file.text("/", "name", profile.name);
    file.text("/", "mode", profile.mode);
    file.text("/", "created", profile.created);
    file.text("/", "versions", profile.versions);
    file.number("/", "seed", profile.seed);
    device_fields(profile.device, [&](const char* field, auto& value) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(value)>, std::string>) {
        file.text("/device", field, value);
      } else {
        file.number("/device", field, value);
      }
    });
    read_fields(file, "/models", profile.models, [](auto&& v) { model_fields(v); });
    read_kernels(file, profile);
    read_fields(file, "/holdout", profile.holdouts, [](auto&& v) { holdout_fields(v); });
    read_optional_tables(file, profile);
    file.verify_digest(false);
    if (file.problems().empty()) {
      for (Diagnostic& d : problems_of(profile, path)) file.problems().push_back(std::move(d));
    }
  }
  problems = std::move(file.problems());
  return profile;
}

Diagnostic about_file(const std::string& path, const std::string& message) {
  Diagnostic d;
  d.file = path;
  d.message = message;
  return d;
}

// What `work` finds wrong with the file, and how it ended if not well. Its other lines go into `said`.
Diagnostics problems_in_child(const std::string& path, const GuardLimits& limits,
                              const std::function<Diagnostics(std::vector<std::string>& said)>& work,
                              std::vector<std::string>& said) {
  const GuardedAnswer answer = run_guarded(
      [&] {
        std::vector<std::string> lines;
        for (const Diagnostic& d : work(lines)) lines.push_back("!" + d.message);
        return lines;
      },
      limits);
  Diagnostics problems;
  for (const std::string& line : answer.lines) {
    if (!line.starts_with('!')) said.push_back(line);
    if (line.starts_with('!')) problems.push_back(about_file(path, line.substr(1)));
  }
  if (!answer.alive) {
    problems.push_back(about_file(
        path, fmt::format("reading it in a child process failed ({}): the file is damaged, hostile or too "
                          "large for this machine",
                          answer.death)));
  }
  return problems;
}

// What a file says about itself.
struct Overview {
  std::string schema;
  size_t value_bytes = 0;
};
Result<Overview> overview_of(const std::string& path, const std::string& bytes) {
  std::vector<std::string> said;
  const GuardLimits limits = limits_of_reading(bytes.size(), 0, machine_memory_bytes());
  const Diagnostics problems = problems_in_child(
      path, limits,
      [&](std::vector<std::string>& lines) {
        Hdf5Reader file(path, bytes);
        std::string schema;
        if (file.problems().empty()) file.text("/", "schema", schema);
        lines = {"schema " + schema, fmt::format("{}", file.value_bytes())};
        return file.problems();
      },
      said);
  if (!problems.empty()) return problems;
  Overview overview{said.at(0).substr(7), 0};
  std::from_chars(said.at(1).data(), said.at(1).data() + said.at(1).size(), overview.value_bytes);
  return overview;
}

// Reads the bytes once; lets a child try them; only what the child found sound is read here.
template <class T>
Result<T> read_guarded(const std::string& path,
                       T (*parse)(const std::string&, const std::string&, Diagnostics&)) {
  const Result<std::string> bytes = bytes_of_hdf5_file(path);
  if (!bytes.ok()) return bytes.problems();
  const Result<Overview> overview = overview_of(path, bytes.value());
  if (!overview.ok()) return overview.problems();
  std::vector<std::string> nothing;
  Diagnostics problems = problems_in_child(
      path, limits_of_reading(bytes.value().size(), overview.value().value_bytes, machine_memory_bytes()),
      [&](std::vector<std::string>&) {
        Diagnostics found;
        parse(path, bytes.value(), found);
        return found;
      },
      nothing);
  if (!problems.empty()) return problems;
  T value = parse(path, bytes.value(), problems);
  if (!problems.empty()) return problems;
  return value;
}

}  // namespace

Result<RunResults> read_results(const std::string& path) {
  return read_guarded<RunResults>(path, parse_results);
}
Result<Profile> read_profile(const std::string& path) {
  return read_guarded<Profile>(path, parse_profile);
}
Result<StoredKind> stored_kind(const std::string& path) {
  const Result<std::string> bytes = bytes_of_hdf5_file(path);
  if (!bytes.ok()) return bytes.problems();
  const Result<Overview> overview = overview_of(path, bytes.value());
  if (!overview.ok()) return overview.problems();
  return format_of(overview.value().schema) == format_of(kProfileSchema) ? StoredKind::profile
                                                                         : StoredKind::results;
}

}  // namespace cotenant
