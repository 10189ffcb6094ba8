// Public: write_results, write_profile.
#include "reports/store/hdf5_writer.h"
#include "reports/store/pending_file.h"
#include "reports/store/results_file.h"
#include "reports/store/results_layout.h"
#include "sim/core/check.h"

namespace cotenant {
namespace {

template <class Row, class T>
void write_column(Hdf5Writer& file, const std::string& path, const char* unit, const std::vector<Row>& rows,
                  T Row::*member) {
  std::vector<T> values;
  values.reserve(rows.size());
  for (const Row& row : rows) values.push_back(row.*member);
  if constexpr (std::is_same_v<T, std::string>) {
    file.column(path, unit, values);
  } else {
    file.column(path, unit, values, {values.size()});
  }
}

template <class Row>
void write_table(Hdf5Writer& file, const std::string& name, const std::vector<Row>& rows) {
  file.group("/" + name);
  Row::describe([&](const char* column, const char* unit, auto member) {
    write_column(file, "/" + name + "/" + column, unit, rows, member);
  });
}

void write_axes(Hdf5Writer& file, const std::string& path, const std::vector<Axis>& axes) {
  std::vector<std::string> names;
  std::vector<std::string> rules;
  for (const Axis& axis : axes) {
    CHECK_MSG(is_kernel_name(axis.name), axis.name);
    names.push_back(axis.name);
    rules.emplace_back(axis.rule == AxisRule::bucket ? kAxisBucket : kAxisLinear);
  }
  file.column(path + "/axis_names", "", names);
  file.column(path + "/axis_rules", "", rules);
  for (const Axis& axis : axes) {
    file.column(path + "/axes/" + axis.name, "", axis.points, {axis.points.size()});
  }
}

void write_kernel(Hdf5Writer& file, const KernelTimes& kernel) {
  const std::string path = "/kernels/" + kernel.name;
  CHECK_MSG(is_kernel_name(kernel.name), kernel.name);
  file.group(path + "/axes");
  file.attribute(path, "provenance", std::string(to_word(kernel.provenance)));
  write_axes(file, path, kernel.axes);
  const hsize_t points = kernel.flop.size();
  file.column(path + "/time_s", "s", kernel.time_s, {points, kResidencies, kQuantiles});
  file.column(path + "/samples", "", kernel.samples, {points, kResidencies});
  file.column(path + "/settled", "", kernel.settled, {points, kResidencies});
  file.column(path + "/flop", "flop", kernel.flop, {points});
  file.column(path + "/bytes", "B", kernel.bytes, {points});
}

void write_skews(Hdf5Writer& file, const std::vector<SkewTable>& skews) {
  file.group("/skew");
  std::vector<std::string> models;
  models.reserve(skews.size());
  for (const SkewTable& skew : skews) models.push_back(skew.model);
  file.column("/skew/models", "", models);
  for (size_t i = 0; i < skews.size(); ++i) {
    const std::string path = "/skew/" + std::to_string(i);
    file.group(path + "/axes");
    file.attribute(path, "alpha_default", skews[i].alpha_default);
    write_axes(file, path, skews[i].axes);
    file.column(path + "/alpha", "", skews[i].alpha, {skews[i].alpha.size()});
  }
}

template <class Row, class Fields>
void write_fields(Hdf5Writer& file, const std::string& group, const std::vector<Row>& rows, Fields&& fields) {
  file.group(group);
  fields([&](const char* column, const char* unit, auto member) {
    write_column(file, group + "/" + column, unit, rows, member);
  });
}

void write_optional_tables(Hdf5Writer& file, const Profile& profile) {
  if (!profile.coruns.empty()) {
    write_fields(file, "/corun", profile.coruns, [](auto&& v) { corun_fields(v); });
  }
  if (!profile.parameters.empty()) {
    write_fields(file, "/parameters", profile.parameters, [](auto&& v) { parameter_fields(v); });
  }
  if (!profile.skews.empty()) write_skews(file, profile.skews);
  reference_fields(profile, [&](const char* path, const std::vector<double>& times) {
    if (!times.empty()) file.column(path, "s", times, {times.size()});
  });
}

}  // namespace

void write_results(const RunResults& results, const std::string& folder, const std::string& name) {
  PendingFile pending(folder, name);
  Hdf5Writer file(pending.path());
  file.attribute("/", "schema", std::string(kResultsSchema));
  header_fields(results, [&](const char* field, const auto& value) { file.attribute("/", field, value); });
  file.attribute("/", "complete", int64_t{results.complete});
  file.column("/about", "", std::span(&results.about, 1));
  file.column("/scenario", "", std::span(&results.scenario, 1));
  RunResults::tables(results, [&](const char* table, const auto& rows) { write_table(file, table, rows); });
  file.finish();
  pending.commit();
}

void write_profile(const Profile& profile, const std::string& folder, const std::string& name) {
  PendingFile pending(folder, name);
  Hdf5Writer file(pending.path());
  file.attribute("/", "schema", std::string(kProfileSchema));
  file.attribute("/", "name", profile.name);
  file.attribute("/", "mode", profile.mode);
  file.attribute("/", "created", profile.created);
  file.attribute("/", "versions", profile.versions);
  file.attribute("/", "seed", profile.seed);
  file.group("/device");
  device_fields(profile.device,
                [&](const char* field, const auto& value) { file.attribute("/device", field, value); });
  write_fields(file, "/models", profile.models, [](auto&& v) { model_fields(v); });
  std::vector<std::string> order;
  order.reserve(profile.kernels.size());
  for (const KernelTimes& kernel : profile.kernels) order.push_back(kernel.name);
  file.group("/kernels");
  file.column("/kernel_names", "", order);
  for (const KernelTimes& kernel : profile.kernels) write_kernel(file, kernel);
  write_fields(file, "/holdout", profile.holdouts, [](auto&& v) { holdout_fields(v); });
  write_optional_tables(file, profile);
  file.finish();
  pending.commit();
}

}  // namespace cotenant
