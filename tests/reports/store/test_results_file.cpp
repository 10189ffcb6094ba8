#include <hdf5.h>

#include <bit>
#include <catch2/catch.hpp>
#include <fstream>

#include "reports/store/guarded_child.h"
#include "reports/store/results_file.h"
#include "tests/reports/store/temporary_folder.h"
#include "tests/reports/synthetic_results.h"

using namespace cotenant;

namespace {

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void put(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

template <class T>
bool same(const T& a, const T& b) {
  if constexpr (std::is_same_v<T, double>)
    return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
  else
    return a == b;
}

template <class Row>
bool same_rows(const std::vector<Row>& a, const std::vector<Row>& b) {
  if (a.size() != b.size()) return false;
  bool equal = true;
  for (size_t i = 0; i < a.size(); ++i) {
    Row::describe(
        [&](const char*, const char*, auto member) { equal = equal && same(a[i].*member, b[i].*member); });
  }
  return equal;
}

bool same_results(const RunResults& a, const RunResults& b) {
  bool equal = a.name == b.name && a.about == b.about && a.scenario == b.scenario &&
               a.scenario_file == b.scenario_file && a.scenario_digest == b.scenario_digest &&
               a.digest == b.digest && a.version == b.version && a.seed == b.seed &&
               a.replications == b.replications && a.horizon_ns == b.horizon_ns &&
               a.warmup_ns == b.warmup_ns && a.warmup_rule == b.warmup_rule && a.precision == b.precision &&
               a.precision_of == b.precision_of && a.window_ns == b.window_ns && a.currency == b.currency &&
               a.prices_as_of == b.prices_as_of && a.prices_source == b.prices_source &&
               a.complete == b.complete;
  RunResults::tables(a, [&](const std::string& name, const auto& rows) {
    RunResults::tables(b, [&](const std::string& other, const auto& others) {
      if constexpr (std::is_same_v<decltype(rows), decltype(others)>) {
        if (name == other) equal = equal && same_rows(rows, others);
      }
    });
  });
  return equal;
}

RunResults hostile_results() {
  RunResults r = synthetic::results({1, 3, "t", {"gold"}});
  r.seed = UINT64_MAX;
  r.name = std::string(10'000, 'n');
  r.about = std::string("NUL \0 inside", 12);
  r.scenario = "a: 1\n" + std::string(200'000, '#');
  r.complete = false;
  r.tenants[0].name = std::string(10'000, 'x');
  r.tenants[1].name = "\xF0\x9F\x90\x99 \xD8\xB9\xD8\xB1\xD8\xA8 \xE2\x80\xAE e\xCC\x81";
  r.tenants[2].name = std::string("a\0b\0", 4);
  r.latency[0].p99_s = std::numeric_limits<double>::quiet_NaN();
  r.breaches[0].quantity = -0.0;
  r.percentiles.push_back({"t", "gold", "ttft", 99, 3, 2.5, 0.1, 0.05, 0.2});
  r.blame.push_back({0, "a", "b", 1, 1, 1, 0.1, 0.2, 0.3, 0.4, 0.5});
  r.fairness.push_back({0, "pool", "weighted-fair", 1, 2, 3, 4, 5, 6, 7});
  r.training_runs.push_back({0, "gold-1@1", 1, 2, 3, 4, 0.75});
  r.replay_segments.push_back({});
  r.replay.push_back({});
  r.objectives.push_back({"gold", "ttft", 99, 0.5});
  return r;
}

std::string all_messages(const Result<RunResults>& read) {
  return read.ok() ? "" : to_text(read.problems());
}

void put_schema(hid_t file, const std::string& schema) {
  const hid_t text = H5Tcopy(H5T_C_S1);
  H5Tset_size(text, schema.size());
  const hid_t scalar = H5Screate(H5S_SCALAR);
  const hid_t attribute = H5Acreate2(file, "schema", text, scalar, H5P_DEFAULT, H5P_DEFAULT);
  H5Awrite(attribute, text, schema.c_str());
  H5Aclose(attribute), H5Sclose(scalar), H5Tclose(text);
}

// A file of another maker, built with the plain C API.
void make_file_with_external_storage(const std::string& path) {
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  put_schema(file, "cotenant.results/2");
  const hsize_t extent = 8;
  const hid_t space = H5Screate_simple(1, &extent, nullptr);
  const hid_t list = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_external(list, "/etc/passwd", 0, 8);
  H5Dclose(H5Dcreate2(file, "about", H5T_STD_U8LE, space, H5P_DEFAULT, list, H5P_DEFAULT));
  H5Lcreate_soft("/about", file, "soft", H5P_DEFAULT, H5P_DEFAULT);
  H5Lcreate_soft("/about", file, "scenario", H5P_DEFAULT, H5P_DEFAULT);
  H5Pclose(list), H5Sclose(space), H5Fclose(file);
}

}  // namespace

TEST_CASE(
    "results come back from the file as they were, empty tables, NaN, long and hostile names included") {
  const TemporaryFolder folder;
  for (const RunResults& r : {synthetic::results({2, 5, "t", {"gold", "standard"}}), hostile_results()}) {
    write_results(r, folder.path(), "results.h5");
    const Result<RunResults> read = read_results(folder.path() + "/results.h5");
    INFO(all_messages(read));
    REQUIRE(read.ok());
    REQUIRE(same_results(read.value(), r));
  }
}

TEST_CASE("results without a single row come back as they were") {
  const TemporaryFolder folder;
  RunResults r;
  r.horizon_ns = 1, r.window_ns = 1;
  write_results(r, folder.path(), "results.h5");
  const Result<RunResults> read = read_results(folder.path() + "/results.h5");
  INFO(all_messages(read));
  REQUIRE(read.ok());
  REQUIRE(same_results(read.value(), r));
}

TEST_CASE("equal results give equal bytes, and only the final file stands there") {
  const TemporaryFolder folder;
  write_results(hostile_results(), folder.path(), "a.h5");
  write_results(hostile_results(), folder.path(), "b.h5");
  REQUIRE(content(folder.path() + "/a.h5") == content(folder.path() + "/b.h5"));
  REQUIRE(folder.file_count() == 2);
}

TEST_CASE("a damaged results file is refused or unharmed, never different and never a crash") {
  const TemporaryFolder folder;
  RunResults r = synthetic::results({1, 2, "t", {"gold"}});
  write_results(r, folder.path(), "good.h5");
  const std::string good = content(folder.path() + "/good.h5");
  const std::string path = folder.path() + "/bad.h5";
  size_t tried = 0;
  size_t different = 0;
  const auto attempt = [&](const std::string& bytes) {
    put(path, bytes);
    const Result<RunResults> read = read_results(path);
    ++tried;
    if (read.ok() && !same_results(read.value(), r)) ++different;
    return read.ok();
  };
  for (size_t end = 0; end < good.size(); end += 512 * (1 + good.size() / 51'200))
    REQUIRE_FALSE(attempt(good.substr(0, end)));
  for (uint64_t k = 0; k < 200; ++k) {
    std::string bytes = good;
    const uint64_t where = k < 60 ? k : mix64(3, k) % good.size();
    bytes[where] = static_cast<char>(bytes[where] ^ static_cast<char>(1U << k % 8));
    attempt(bytes);
  }
  REQUIRE(tried > 250);
  REQUIRE(different == 0);
}

TEST_CASE("a file that points at other files is refused, and its links are not followed") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/hostile.h5";
  make_file_with_external_storage(path);
  const std::string text = all_messages(read_results(path));
  REQUIRE(text.find("/about: keeps its values in another file") != std::string::npos);
  REQUIRE(text.find("/scenario: is a link to somewhere else") != std::string::npos);
}

TEST_CASE("what is no results file is refused with its name, and all problems come out in one pass") {
  const TemporaryFolder folder;
  REQUIRE(all_messages(read_results(folder.path() + "/none.h5")).find("none.h5: error: cannot be opened") !=
          std::string::npos);
  REQUIRE(all_messages(read_results(folder.path())).find("not a regular file") != std::string::npos);
  put(folder.path() + "/text.h5", "name,value\n");
  REQUIRE(all_messages(read_results(folder.path() + "/text.h5")).find("not a readable HDF5 file") !=
          std::string::npos);
  Profile profile;
  write_profile(profile, folder.path(), "profile.h5");
  REQUIRE(all_messages(read_results(folder.path() + "/profile.h5")).find("must be cotenant.results/2") !=
          std::string::npos);
}

TEST_CASE("a small file that declares what no file of its size can hold is refused before it is read") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/huge.h5";
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  put_schema(file, "cotenant.results/2");
  const hsize_t extent = 100'000'000;
  const hid_t space = H5Screate_simple(1, &extent, nullptr);
  H5Dclose(H5Dcreate2(file, "about", H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  H5Sclose(space), H5Fclose(file);
  REQUIRE(all_messages(read_results(path)).find("/about: declares more values than it can hold") !=
          std::string::npos);
}

TEST_CASE("limits of reading grow with what a file holds and declares, and end at this machine") {
  constexpr size_t kMiB = size_t{1} << 20U;
  const GuardLimits least = limits_of_reading(0, 0, 64'000 * kMiB);
  const GuardLimits large = limits_of_reading(100 * kMiB, 1'000 * kMiB, 64'000 * kMiB);
  const GuardLimits most = limits_of_reading(SIZE_MAX, SIZE_MAX, 64'000 * kMiB);
  REQUIRE(least.memory_bytes == GuardLimits{}.memory_bytes);
  REQUIRE(least.wall == GuardLimits{}.wall);
  REQUIRE(large.memory_bytes == (512 + 200 + 16'000) * kMiB);
  REQUIRE(large.wall > std::chrono::seconds(100));
  REQUIRE(most.memory_bytes == 64'000 * kMiB);
  REQUIRE(most.wall == std::chrono::minutes(10));
  REQUIRE(limits_of_reading(0, 0, kMiB).memory_bytes == GuardLimits{}.memory_bytes);
  REQUIRE(machine_memory_bytes() > 64 * kMiB);
}

TEST_CASE("a result that another version wrote is called that, not damaged, and its kind is still known") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/old.h5";
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  put_schema(file, "cotenant.results/1");
  H5Fclose(file);
  const Result<RunResults> read = read_results(path);
  REQUIRE_FALSE(read.ok());
  REQUIRE(read.problems().size() == 1);
  REQUIRE(read.problems()[0].message ==
          "written by another version of cotenant (schema cotenant.results/1; this one reads "
          "cotenant.results/2): run the scenario again");
  REQUIRE(stored_kind(path).value() == StoredKind::results);
  write_profile(Profile{}, folder.path(), "profile.h5");
  REQUIRE(stored_kind(folder.path() + "/profile.h5").value() == StoredKind::profile);
}

TEST_CASE("numbers that would not add up in a report are refused where they stand") {
  const TemporaryFolder folder;
  const auto refused = [&](const auto& change) {
    RunResults r = synthetic::results({2, 2, "t", {"gold"}});
    change(r);
    write_results(r, folder.path(), "results.h5");
    return all_messages(read_results(folder.path() + "/results.h5"));
  };
  using Catch::Matchers::Contains;
  CHECK_THAT(refused([](RunResults& r) { r.tenants[0].serving_nano = INT64_MAX; }),
             Contains("/tenants/serving_nano: holds a value out of range"));
  CHECK_THAT(refused([](RunResults& r) {
               r.tenants.resize(20, r.tenants[0]);
               for (TenantRow& row : r.tenants) row.idle_nano = int64_t{1} << 59;
             }),
             Contains("/tenants/idle_nano: sums to more"));
  CHECK_THAT(refused([](RunResults& r) { r.units[0].arrived = -2; }),
             Contains("/units/arrived: holds a value"));
  CHECK_THAT(refused([](RunResults& r) { r.windows[0].window = 1'000'000'000; }),
             Contains("beyond the horizon"));
  CHECK_THAT(refused([](RunResults& r) {
               const UnitRow first = r.units[0];
               for (int64_t i = 0; i < 101; ++i) {
                 r.units.push_back(first);
                 r.units.back().unit = 1'000 + i;
                 r.units.back().tenancy = "entry " + std::to_string(i);
               }
             }),
             Contains("/units/tenancy: has more than 100 names"));
}

TEST_CASE("rows of a unit that does not exist, and infinite values, are refused") {
  const TemporaryFolder folder;
  RunResults r = synthetic::results({1, 2, "t", {"gold"}});
  r.windows[0].unit = 77;
  r.service[0].observed_s = std::numeric_limits<double>::infinity();
  write_results(r, folder.path(), "results.h5");
  const std::string text = all_messages(read_results(folder.path() + "/results.h5"));
  REQUIRE(text.find("/windows/unit: names unit 77") != std::string::npos);
  REQUIRE(text.find("/service/observed_s: holds a value that is not finite") != std::string::npos);
}

TEST_CASE("work that crashes, hangs or says nothing ends in an answer, not with this process") {
  const GuardLimits quick{std::chrono::milliseconds(300), size_t{64} << 20U};
  REQUIRE_FALSE(run_guarded([]() -> std::vector<std::string> { std::abort(); }, quick).alive);
  REQUIRE_FALSE(run_guarded(
                    []() -> std::vector<std::string> {
                      while (true) {
                      }
                    },
                    quick)
                    .alive);
  const std::vector<std::string> said = {"a", "", "c"};
  REQUIRE(run_guarded([&] { return said; }, quick).lines == said);
}
