// Public: read_results, read_profile.
#include <fmt/format.h>

#include <cmath>
#include <limits>
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

// True, and the reader has no problem, when the file says that it is of this kind.
bool schema_is(Hdf5Reader& file, const std::string& wanted) {
  std::string found;
  if (file.problems().empty()) file.text("/", "schema", found);
  if (!file.problems().empty() || found == wanted) return file.problems().empty();
  file.problem("/@schema", fmt::format("must be {}, not {}", wanted, found));
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

// Times and counts of a request must leave room to add and subtract a few of them.
void check_requests(Hdf5Reader& file, const std::vector<RequestRow>& rows) {
  constexpr int64_t kMost = int64_t{1} << 59;
  RequestRow::describe([&](const char* column, const char*, auto member) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(RequestRow().*member)>, int64_t>) {
      for (const RequestRow& row : rows) {
        if (row.*member >= -1 && row.*member <= kMost) continue;
        file.problem(std::string("/requests/") + column, "holds a value out of range");
        return;
      }
    }
  });
}

void check_results(Hdf5Reader& file, const RunResults& results) {
  std::set<int64_t> units;
  for (const UnitRow& row : results.units) {
    if (!units.insert(row.unit).second)
      file.problem("/units/unit", fmt::format("has unit {} twice", row.unit));
  }
  RunResults::tables(results, [&](const char* table, const auto& rows) {
    check_numbers(file, table, rows);
    check_units(file, table, rows, units);
  });
  check_requests(file, results.requests);
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

// Reads the bytes once; lets a child try them; only what the child found sound is read here.
template <class T>
Result<T> read_guarded(const std::string& path,
                       T (*parse)(const std::string&, const std::string&, Diagnostics&)) {
  const Result<std::string> bytes = read_whole_file(path);
  if (!bytes.ok()) return bytes.problems();
  const GuardedAnswer answer = run_guarded(
      [&] {
        Diagnostics found;
        parse(path, bytes.value(), found);
        std::vector<std::string> lines;
        for (const Diagnostic& d : found) lines.push_back(d.message);
        return lines;
      },
      GuardLimits{});
  Diagnostics problems;
  for (const std::string& line : answer.lines) {
    Diagnostic d;
    d.file = path;
    d.message = line;
    problems.push_back(d);
  }
  if (!answer.alive) {
    Diagnostic d;
    d.file = path;
    d.message = fmt::format(
        "reading it in a child process failed ({}): the file is damaged, hostile or too large", answer.death);
    problems.push_back(d);
  }
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

}  // namespace cotenant
