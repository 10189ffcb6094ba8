#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <functional>

#include "reports/store/results_file.h"
#include "tests/reports/store/temporary_folder.h"

using namespace cotenant;

namespace {

KernelTimes kernel(const std::string& name, const std::vector<Axis>& axes) {
  KernelTimes k;
  k.name = name;
  k.provenance = Provenance::imported;
  k.axes = axes;
  size_t points = 1;
  for (const Axis& axis : axes) points *= axis.points.size();
  for (size_t i = 0; i < points * kResidencies; ++i) {
    for (size_t q = 0; q < kQuantiles; ++q)
      k.time_s.push_back(1e-3 * static_cast<double>(i + 1) + 1e-5 * static_cast<double>(q));
    k.samples.push_back(static_cast<int64_t>(20 + i));
    k.settled.push_back(static_cast<int64_t>(i % 2));
  }
  k.flop.assign(points, 2e9);
  k.bytes.assign(points, 5e7);
  return k;
}

Profile sample() {
  Profile p;
  p.name = "local-cpu", p.mode = "quick", p.created = "2026-11-23T10:00:00Z", p.versions = "g++ 12.2",
  p.seed = 42;
  p.device = {"cpu", "A CPU \xC2\xA9", 2, int64_t{8} << 30U, 32'000'000, 5e10, 1e10};
  p.models = {{"decoder-25m", "generative", 25'000'000, 100'000'000, 4096, 8192, 8, 512}};
  p.kernels = {kernel("decoder-25m/linear", {{"tokens", AxisRule::bucket, {1, 2, 4}}}),
               kernel("decoder-25m/attention_decode", {{"sequences", AxisRule::bucket, {1, 8}},
                                                       {"context", AxisRule::linear, {0, 512, 4096}}}),
               kernel("memory_copy", {{"bytes", AxisRule::linear, {1024, 1048576}}})};
  p.holdouts = {{"decoder-25m/linear", "tokens 3", 1e-3, 1.1e-3}};
  p.coruns = {{"a/x", "b/y", "two cores", 1.5, 2, 1, 1.25, 30, "valid"},
              {"a/x", "a/x", "one core", 0, 0, 0, 0, 0, "host busy"}};
  p.parameters = {{"decoder-25m", "all_reduce_latency_s", 2e-5, "assumed", "a study's \xC3\xA9 own"}};
  p.skews = {{"decoder-25m",
              0.06,
              {{"chunk", AxisRule::bucket, {0, 16}},
               {"sequences", AxisRule::bucket, {2}},
               {"evenness", AxisRule::bucket, {150, 1000}},
               {"max_context", AxisRule::bucket, {1024}},
               {"context", AxisRule::bucket, {0, 512}}},
              {0.1, 0.2, 0, 0.4, 0.5, 0.6, 0.7, 1}}};
  p.add_reference({.product_s = 1e-3, .read_s = 2e-3});
  p.add_reference({.product_s = 1.1e-3, .read_s = 3e-3});
  return p;
}

std::string messages(const Result<Profile>& read) {
  return read.ok() ? "" : to_text(read.problems());
}

}  // namespace

TEST_CASE("a profile comes back from its file as it was") {
  const TemporaryFolder folder;
  const Profile p = sample();
  write_profile(p, folder.path(), "local-cpu.h5");
  const Result<Profile> read = read_profile(folder.path() + "/local-cpu.h5");
  INFO(messages(read));
  REQUIRE(read.ok());
  const Profile& q = read.value();
  REQUIRE(q.name == p.name);
  REQUIRE(q.seed == p.seed);
  REQUIRE(q.device.name == p.device.name);
  REQUIRE(q.device.stream_byte_per_s == p.device.stream_byte_per_s);
  REQUIRE(q.models.size() == 1);
  REQUIRE(q.models[0].kv_bytes_per_token == 4096);
  REQUIRE(q.kernels.size() == p.kernels.size());
  for (size_t i = 0; i < q.kernels.size(); ++i) {
    REQUIRE(q.kernels[i].name == p.kernels[i].name);
    REQUIRE(q.kernels[i].provenance == Provenance::imported);
    REQUIRE(q.kernels[i].time_s == p.kernels[i].time_s);
    REQUIRE(q.kernels[i].samples == p.kernels[i].samples);
    REQUIRE(q.kernels[i].settled == p.kernels[i].settled);
    REQUIRE(q.kernels[i].axes.size() == p.kernels[i].axes.size());
    REQUIRE(q.kernels[i].axes.back().name == p.kernels[i].axes.back().name);
    REQUIRE(q.kernels[i].axes.back().rule == p.kernels[i].axes.back().rule);
    REQUIRE(q.kernels[i].axes.back().points == p.kernels[i].axes.back().points);
  }
  REQUIRE(q.holdouts.at(0).measured_s == 1.1e-3);
  REQUIRE(q.coruns.size() == 2);
  REQUIRE(q.coruns[0].slowdown_b_p95 == 1.25);
  REQUIRE(q.coruns[1].validity == "host busy");
  REQUIRE(q.parameters.at(0).source == p.parameters[0].source);
  REQUIRE(q.parameter("decoder-25m", "all_reduce_latency_s", 0) == 2e-5);
  REQUIRE(q.skews.at(0).alpha == p.skews[0].alpha);
  REQUIRE(q.skews.at(0).axes.at(4).points == std::vector<int64_t>{0, 512});
  REQUIRE(q.find_skew("decoder-25m")->alpha_default == 0.06);
  REQUIRE(q.reference_s == p.reference_s);
  REQUIRE(q.reference_product_s == p.reference_product_s);
  REQUIRE(q.reference_read_s == p.reference_read_s);
}

TEST_CASE("a profile without co-runs, parameters, skew and drift has no such tables and reads as empty") {
  const TemporaryFolder folder;
  Profile p = sample();
  p.coruns.clear(), p.parameters.clear(), p.skews.clear(), p.reference_s.clear();
  p.reference_product_s.clear(), p.reference_read_s.clear();
  write_profile(p, folder.path(), "plain.h5");
  const Result<Profile> read = read_profile(folder.path() + "/plain.h5");
  REQUIRE(read.ok());
  REQUIRE(read.value().coruns.empty());
  REQUIRE(read.value().skews.empty());
}

TEST_CASE("co-runs, parameters and skew tables that make no sense are refused by name") {
  const auto refused = [](const std::function<void(Profile&)>& spoil, const std::string& word) {
    Profile p = sample();
    spoil(p);
    const Diagnostics found = problems_of(p, "p.h5");
    INFO(to_text(found));
    REQUIRE(found.size() == 1);
    REQUIRE(to_text(found).find(word) != std::string::npos);
  };
  refused([](Profile& p) { p.coruns[0].validity = "perhaps"; }, "corun/a/x with b/y");
  refused([](Profile& p) { p.coruns[0].slowdown_a_p50 = 0; }, "corun/a/x with b/y");
  refused([](Profile& p) { p.parameters[0].name = "speed"; }, "parameters/speed");
  refused([](Profile& p) { p.parameters[0].value = -1; }, "parameters/all_reduce_latency_s");
  refused([](Profile& p) { p.parameters[0].provenance = "heard"; }, "heard");
  refused([](Profile& p) { p.skews[0].alpha.pop_back(); }, "skew/decoder-25m/alpha");
  refused([](Profile& p) { p.skews[0].alpha[2] = std::nan(""); }, "skew/decoder-25m/alpha");
  refused([](Profile& p) { p.skews[0].axes[0].name = "piece"; }, "five bucket axes");
  refused([](Profile& p) { p.reference_s[1] = 0; }, "reference_s");
  refused([](Profile& p) { p.reference_read_s.pop_back(); }, "reference_s");
}

TEST_CASE("a profile whose values make no sense is refused with the kernel's name") {
  const TemporaryFolder folder;
  Profile p = sample();
  p.kernels[0].time_s[0] = std::numeric_limits<double>::quiet_NaN();
  write_profile(p, folder.path(), "bad.h5");
  const std::string text = messages(read_profile(folder.path() + "/bad.h5"));
  REQUIRE(text.find("kernels/decoder-25m/linear/time_s") != std::string::npos);
}

TEST_CASE("a profile with one bit changed is refused or unharmed") {
  const TemporaryFolder folder;
  const Profile p = sample();
  write_profile(p, folder.path(), "good.h5");
  std::ifstream in(folder.path() + "/good.h5", std::ios::binary);
  const std::string good{std::istreambuf_iterator<char>(in), {}};
  for (size_t k = 0; k < 100; ++k) {
    std::string bytes = good;
    const size_t where = k * 7919 % good.size();
    bytes[where] = static_cast<char>(bytes[where] ^ static_cast<char>(1U << k % 8));
    std::ofstream(folder.path() + "/bad.h5", std::ios::binary) << bytes;
    const Result<Profile> read = read_profile(folder.path() + "/bad.h5");
    if (read.ok()) REQUIRE(read.value().kernels[0].time_s == p.kernels[0].time_s);
  }
}
