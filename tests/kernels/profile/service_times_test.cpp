#include "kernels/profile/service_times.h"

#include <catch2/catch.hpp>
#include <functional>

#include "kernels/profile/time_table.h"
#include "sim/core/philox.h"
#include "tests/kernels/profile/small_profile.h"

namespace cotenant {
namespace {

std::unique_ptr<ServiceTimes> times_of(const Profile& profile, const ProfileTimesOptions& options) {
  auto made = make_service_times(profile, options, "p.h5");
  REQUIRE(made.ok());
  return std::move(made).value();
}

std::unique_ptr<ServiceTimes> generative() {
  return times_of(small_profile(), {.model = "g", .adapters = true});
}

int64_t ps(double s) {
  return static_cast<int64_t>(s * 1e12 + 0.5);
}

BatchShape decode(int64_t sequences, int64_t context) {
  return {.decode_sequences = sequences, .decode_context = context, .head_sequences = sequences};
}

BatchShape prefill(int64_t chunk, int64_t context) {
  return {.prefill_tokens = chunk, .prefill_work_x2 = chunk * (2 * context + chunk)};
}

TEST_CASE("the line of a step is the step at every context up to its end, in integers") {
  const auto t = generative();
  RandomStream random(stream_key(7, 0), 0, Purpose::faults);
  for (int i = 0; i < 3000; ++i) {
    const auto draw = [&](int64_t n) {
      return static_cast<int64_t>(random.bits() % static_cast<uint64_t>(n));
    };
    BatchShape shape = decode(1 + draw(70), draw(6000));
    shape.prefill_tokens = draw(80);
    shape.prefill_work_x2 = shape.prefill_tokens * (2 * draw(300) + shape.prefill_tokens);
    shape.adapters = draw(7);
    shape.residency = draw(2) == 0 ? Residency::hot : Residency::cold;
    const StepLine line = t->step(shape);
    REQUIRE(line.valid_to_context >= shape.decode_context);
    BatchShape later = shape;
    later.decode_context = std::min(line.valid_to_context, shape.decode_context + draw(2000));
    const StepLine there = t->step(later);
    REQUIRE(there.base_ps == line.base_ps + line.slope_ps * (later.decode_context - shape.decode_context));
    REQUIRE(there.slope_ps == line.slope_ps);
    REQUIRE(there.valid_to_context == line.valid_to_context);
    REQUIRE(line.base_ps > 0);
  }
}

TEST_CASE("a step at calibrated points is the sum of the medians") {
  const auto t = generative();
  const StepLine line = t->step(decode(4, 110));
  REQUIRE(line.base_ps == ps(1.04e-3) + ps(4e-5 + 1.1e-5) + ps(4e-4));
  REQUIRE(line.slope_ps == (ps(4e-5 + 1.01e-4 + 3e-4) - ps(4e-5 + 1.1e-5)) / 900);
  REQUIRE(line.valid_to_context == 1009);
  BatchShape cold = decode(4, 110);
  cold.residency = Residency::cold;
  REQUIRE(t->step(cold).base_ps == 2 * line.base_ps);
}

TEST_CASE("a bucket axis pads up, and goes on in whole buckets plus the remainder's") {
  const auto t = times_of(small_profile(), {.model = "s"});
  REQUIRE(t->score(1, Residency::hot).ns == 11'000);
  REQUIRE(t->score(2, Residency::hot).ns == 18'000);
  REQUIRE(t->score(8, Residency::hot).ns == 18'000);
  REQUIRE(t->score(9, Residency::hot).ns == 74'000);
  REQUIRE(t->score(64 * 3, Residency::hot).ns == 3 * 74'000);
  REQUIRE(t->score(64 * 3 + 5, Residency::hot).ns == 3 * 74'000 + 18'000);
}

TEST_CASE("beyond the last decode bucket the batch is cut into equal groups") {
  const auto t = generative();
  const StepLine one = t->step(decode(16, 400));
  const StepLine two = t->step(decode(32, 800));
  const int64_t rest_one = ps(1e-3 + 16e-5) + ps(16e-4);
  const int64_t rest_two = ps(1e-3 + 64e-5) + 2 * ps(16e-4);  // 32 tokens pad to 64
  REQUIRE(two.base_ps - rest_two == 2 * (one.base_ps - rest_one));
  REQUIRE(two.slope_ps == one.slope_ps);
  REQUIRE(two.valid_to_context == 2 * 1010 - 1);
}

TEST_CASE("context before the first knot and beyond the last follows the end segments") {
  const auto t = generative();
  const StepLine first = t->step(decode(1, 0));
  REQUIRE(first.base_ps == ps(1.01e-3) + ps(1e-5) + ps(1e-4));
  REQUIRE(first.slope_ps == ps(1e-7));
  const StepLine last = t->step(decode(1, 500'000));
  REQUIRE(last.valid_to_context == INT64_MAX);
  REQUIRE(last.slope_ps == t->step(decode(1, 1000)).slope_ps);
}

TEST_CASE("a falling last segment is not followed into negative time") {
  Profile p = small_profile();
  p.kernels[2] =
      made_kernel("g/attention_decode", {bucket("sequences", {1}), linear("context", {10, 110})},
                  [](const std::vector<double>& x) { return x[0] < 2 && x[1] < 11 ? 2e-5 : 1e-5; });
  const auto t = times_of(p, {.model = "g"});
  const int64_t rest = ps(1.01e-3) + ps(1e-4);
  REQUIRE(t->step(decode(1, 110)).base_ps == rest + ps(1e-5));
  REQUIRE(t->step(decode(1, 1'000'000)).base_ps == rest + ps(1e-5));
  REQUIRE(t->step(decode(1, 60)).base_ps == rest + ps(1.5e-5));
}

TEST_CASE("prefill attention follows chunk and context, several chunks by their pairs") {
  const auto t = generative();
  const auto attention = [&](const BatchShape& shape) {
    BatchShape flat = shape;
    return t->step(flat).base_ps - ps(1e-3 + 64e-5);
  };
  REQUIRE(attention(prefill(64, 0)) == ps(64e-6));
  REQUIRE(attention(prefill(64, 50)) == ps(64e-6 + 64 * 50 * 1e-8));
  REQUIRE(attention(prefill(64, 300)) == ps(64e-6 + 64 * 300 * 1e-8));
  // Two chunks of 32 at context 100: 64 tokens whose mean context is 100 + 16 - 32 = 84.
  const BatchShape two{.prefill_tokens = 64, .prefill_work_x2 = 2 * 32 * (200 + 32)};
  REQUIRE(attention(two) == ps(64e-6 + 64 * 84 * 1e-8));
  // Two chunks of 32 at context 0 attend half of the pairs of one chunk of 64.
  const BatchShape short_prompts{.prefill_tokens = 64, .prefill_work_x2 = 2 * 32 * 32};
  REQUIRE(attention(short_prompts) == ps(64e-6) / 2);
}

TEST_CASE("adapters add their time, between the measured counts, and scale with rank above 16 only") {
  const auto added = [](int64_t rank, int64_t adapters) {
    const auto t = times_of(small_profile(), {.model = "g", .adapters = true, .adapter_rank = rank});
    BatchShape shape = decode(16, 110);
    const int64_t without = t->step(shape).base_ps;
    shape.adapters = adapters;
    return t->step(shape).base_ps - without;
  };
  REQUIRE(added(16, 1) == ps(16e-6 + 1e-4));
  REQUIRE(added(16, 3) == ps(16e-6 + 3e-4));
  REQUIRE(added(8, 3) == added(16, 3));
  REQUIRE(added(64, 3) == 4 * added(16, 3));
}

// The small profile with adapters measured at the ranks 8, 16 and 64, whose time no line through 0 describes.
Profile ranked_profile(AxisRule rule) {
  Profile p = small_profile();
  for (KernelTimes& k : p.kernels) {
    if (k.name != "g/lora") continue;
    k = made_kernel("g/lora",
                    {bucket("tokens", {1, 16}), linear("adapters", {1, 5}), {"rank", rule, {8, 16, 64}}},
                    [](const std::vector<double>& x) {
                      return 1e-6 * x[0] + 1e-4 * x[1] + (x[2] < 10 ? 1e-4 : x[2] < 20 ? 1.5e-4 : 9e-4);
                    });
  }
  return p;
}

int64_t added_by_adapters(const Profile& p, int64_t rank) {
  const auto t = times_of(p, {.model = "g", .adapters = true, .adapter_rank = rank});
  BatchShape shape = decode(16, 110);
  const int64_t without = t->step(shape).base_ps;
  shape.adapters = 3;
  return t->step(shape).base_ps - without;
}

TEST_CASE("adapters take the measured time at a measured rank, and rise on the line between two") {
  const Profile p = ranked_profile(AxisRule::linear);
  REQUIRE(added_by_adapters(p, 8) == ps(16e-6 + 3e-4 + 1e-4));
  REQUIRE(added_by_adapters(p, 16) == ps(16e-6 + 3e-4 + 1.5e-4));
  REQUIRE(added_by_adapters(p, 64) == ps(16e-6 + 3e-4 + 9e-4));
  REQUIRE(added_by_adapters(p, 40) == ps(16e-6 + 3e-4 + 1.5e-4 + 7.5e-4 / 2));
  for (int64_t rank = 9; rank <= 64; ++rank) {
    INFO(rank);
    REQUIRE(added_by_adapters(p, rank) > added_by_adapters(p, rank - 1));
  }
}

TEST_CASE("adapters in slots of measured ranks take the time of the next greater one") {
  const Profile p = ranked_profile(AxisRule::bucket);
  REQUIRE(added_by_adapters(p, 1) == added_by_adapters(p, 8));
  REQUIRE(added_by_adapters(p, 9) == added_by_adapters(p, 16));
  REQUIRE(added_by_adapters(p, 17) == added_by_adapters(p, 64));
}

TEST_CASE("a rank outside of what the profile holds is refused with the ranks that it has") {
  const auto refusal = [](AxisRule rule, int64_t rank) {
    return make_service_times(ranked_profile(rule), {.model = "g", .adapters = true, .adapter_rank = rank},
                              "p.h5");
  };
  const auto above = refusal(AxisRule::linear, 65);
  REQUIRE(!above.ok());
  REQUIRE(above.problems().size() == 1);
  REQUIRE(above.problems()[0].file == "p.h5");
  REQUIRE(above.problems()[0].message ==
          "kernels/g/lora: adapters were measured at the ranks 8, 16, 64; rank 65 is above them");
  REQUIRE(above.problems()[0].help.find("cotenant calibrate --device cpu --full") != std::string::npos);
  REQUIRE(!refusal(AxisRule::bucket, 65).ok());
  REQUIRE(refusal(AxisRule::linear, 7).problems()[0].message ==
          "kernels/g/lora: adapters were measured at the ranks 8, 16, 64; rank 7 is below them");
  REQUIRE(refusal(AxisRule::bucket, 7).ok());
  const ProfileTimesOptions without_adapters{.model = "g", .adapter_rank = 65};
  REQUIRE(make_service_times(ranked_profile(AxisRule::linear), without_adapters, "p.h5").ok());
}

TEST_CASE("training a generative model is measured steps, of all weights or of an adapter") {
  const auto t = times_of(small_profile(), {.model = "g", .trains = true, .tunes = true});
  REQUIRE(t->train(64, false).ns == 6'400'000);
  REQUIRE(t->train(64, true).ns == 3'200'000);
  REQUIRE(t->train(6400 + 10, false).ns == 640'000'000 + 1'600'000);
  REQUIRE(t->train(0, false).ns == 0);
}

TEST_CASE("training steps are needed by those who train") {
  Profile p = small_profile();
  std::erase_if(p.kernels, [](const KernelTimes& k) { return k.name.ends_with("train_step"); });
  REQUIRE(make_service_times(p, {.model = "g"}, "p.h5").ok());
  const auto missing = make_service_times(p, {.model = "g", .trains = true, .tunes = true}, "p.h5");
  REQUIRE(!missing.ok());
  REQUIRE(missing.problems().size() == 2);
  REQUIRE(missing.problems()[0].message == "the profile has no kernel 'g/train_step'");
  REQUIRE(missing.problems()[1].message == "the profile has no kernel 'g/lora_train_step'");
}

TEST_CASE("training a scoring model is measured steps") {
  const auto t = times_of(small_profile(), {.model = "s", .trains = true});
  REQUIRE(t->train(1000, false).ns == 3 * 2'560'000 + 2'560'000);
  REQUIRE(t->train(256 + 32, false).ns == 2'560'000 + 320'000);
  REQUIRE(t->train(256'000'000'000, true).ns == 1'000'000'000LL * 2'560'000);
}

TEST_CASE("loading uses the stated bandwidth, else the measured copy; scrubbing its own table") {
  REQUIRE(times_of(small_profile(), {.model = "s", .load_byte_per_s = 3})->load(Bytes{10}).ns ==
          3'333'333'333);
  const auto t = times_of(small_profile(), {.model = "s"});
  REQUIRE(t->load(Bytes{500'000}).ns == 2 * 500'000);
  REQUIRE(t->scrub(Bytes{10'000'000}).ns == 2'000'000);
  REQUIRE(t->load(Bytes{0}).ns == 0);
}

TEST_CASE("every missing kernel is a problem with the command that measures it") {
  Profile p = small_profile();
  std::erase_if(p.kernels,
                [](const KernelTimes& k) { return k.name == "g/head" || k.name == "memory_copy"; });
  const auto missing = make_service_times(p, {.model = "g", .adapters = true}, "p.h5");
  REQUIRE(!missing.ok());
  REQUIRE(missing.problems().size() == 2);
  REQUIRE(missing.problems()[0].message == "the profile has no kernel 'g/head'");
  REQUIRE(missing.problems()[0].help.find("cotenant calibrate --device cpu --quick") != std::string::npos);
  REQUIRE(missing.problems()[1].message == "the profile has no kernel 'memory_copy'");
  REQUIRE(make_service_times(p, {.model = "g", .load_byte_per_s = 1}, "p.h5").problems().size() == 1);
  const auto unknown = make_service_times(p, {.model = "llama"}, "p.h5");
  REQUIRE(!unknown.ok());
  REQUIRE(unknown.problems()[0].message == "the profile has no model 'llama', only: g, j, s");
}

TEST_CASE("kernels with other axes, and damaged ones, are refused") {
  Profile p = small_profile();
  p.kernels[0].axes[0].name = "rows";
  p.kernels[2].axes[1].rule = AxisRule::bucket;
  p.kernels[3].time_s[0] = -1;
  const auto made = make_service_times(p, {.model = "g"}, "p.h5");
  REQUIRE(!made.ok());
  REQUIRE(made.problems().size() == 3);
}

TEST_CASE("the kernels a model needs are those that its times are made from") {
  for (const char* model : {"g", "j", "s"}) {
    Profile only;
    const Profile all = small_profile();
    only.models = all.models;
    const bool own = *model == 'g';
    const ProfileTimesOptions options{.model = model, .adapters = own, .trains = own, .tunes = own};
    for (const std::string& name : kernels_needed(all, options)) only.kernels.push_back(*all.find(name));
    REQUIRE(make_service_times(only, options, "p.h5").ok());
    for (size_t i = 0; i < only.kernels.size(); ++i) {
      Profile less = only;
      less.kernels.erase(less.kernels.begin() + static_cast<std::ptrdiff_t>(i));
      REQUIRE(!make_service_times(less, options, "p.h5").ok());
    }
  }
}

TEST_CASE("a table of counts says what the table of times says, for every count") {
  const Profile p = small_profile();
  for (const char* name : {"g/linear", "g/lora", "j/linear", "s/score"}) {
    const KernelTimes& kernel = *p.find(name);
    const TimeTable times(kernel, 1.5);
    const CountTable counts(kernel, 1.5);
    for (int64_t x = 0; x < 200; ++x) {
      for (int64_t y = kernel.axes.size() == 2 ? 1 : 0; y < 9; ++y) {
        for (const Residency r : {Residency::hot, Residency::cold}) {
          REQUIRE(counts.at(x, y, r) == times.at(static_cast<double>(x), static_cast<double>(y), r));
        }
      }
    }
  }
}

TEST_CASE("a profile whose counts would fill memory is refused") {
  Profile p = small_profile();
  p.kernels[0].axes[0].points.back() = 1 << 20;
  const auto far = make_service_times(p, {.model = "g"}, "p.h5");
  REQUIRE(!far.ok());
  REQUIRE(far.problems()[0].message == "kernels/g/linear: the tokens axis ends at 1048576, beyond 65536");
  Profile q = small_profile();
  q.kernels[4].axes = {linear("tokens", {1, 60000}), linear("adapters", {1, 60000})};
  q.kernels[4].time_s.resize(80, 1.0), q.kernels[4].samples.assign(8, 1), q.kernels[4].settled.assign(8, 1);
  q.kernels[4].flop.assign(4, 1), q.kernels[4].bytes.assign(4, 1);
  for (double& s : q.kernels[4].time_s) s = 1;
  const auto wide = make_service_times(q, {.model = "g", .adapters = true}, "p.h5");
  REQUIRE(!wide.ok());
  REQUIRE(wide.problems()[0].message == "kernels/g/lora: the axes span too many values for a table");
}

// A decode step of the jointly measured model whose contexts are all equal.
BatchShape even(int64_t sequences, int64_t each) {
  BatchShape shape = decode(sequences, sequences * each);
  shape.min_context = shape.max_context = each;
  return shape;
}

TEST_CASE("joint attention, links and the host make up a step") {
  const auto t = times_of(small_profile(), {.model = "j"});
  // 8 decodes at 64: linear, head, attention; 4 all-reduces of 10 us and 8 x 1,000 bytes; the host. No
  // gathers.
  const double attention = 1e-6 + 1e-7 * 8 * 64 + 2e-9 * 64 * 64;
  const double host = 1e-3 + 8e-5 + 4 * (1e-5 + 8e-6);
  REQUIRE(t->step(even(8, 64)).base_ps == ps(1e-3 + 8e-5) + ps(8e-4) + ps(attention) + ps(host));
  REQUIRE(t->step(even(8, 64)).valid_to_context == 8 * 1024 - 1);
  BatchShape mixed = prefill(16, 100);
  mixed.prefill_sequences = 1;
  const double chunk = 1e-6 + 16e-6 + 1e-8 * 16 * 100;
  REQUIRE(t->step(mixed).base_ps ==
          ps(1e-3 + 16e-5) + ps(chunk) + ps(1e-3 + 1e-5 + 1e-2 + 4 * (1e-5 + 16e-6)));
  REQUIRE(t->step(mixed).slope_ps == 0);
}

TEST_CASE("what devices gather grows with the sequences of a step, not with its tokens") {
  Profile p = small_profile();
  p.parameters.push_back({"j", "gathers_per_step", 2, "assumed", "made up"});
  p.parameters.push_back({"j", "gather_bytes_per_sequence", 3000, "assumed", "made up"});
  const auto gathering = times_of(p, {.model = "j"});
  const auto without = times_of(small_profile(), {.model = "j"});
  const auto added = [&](const BatchShape& shape) {
    return gathering->step(shape).base_ps - without->step(shape).base_ps;
  };
  REQUIRE(added(even(8, 64)) == ps(2 * (1e-5 + 8 * 3e-6)));
  BatchShape prompt = prefill(16, 100);
  prompt.prefill_sequences = 1;
  REQUIRE(added(prompt) == ps(2 * (1e-5 + 3e-6)));
}

TEST_CASE(
    "an unevenness is looked up at the chunk that it was measured with; between them stands the default") {
  Profile p = small_profile();
  const auto with_alpha = [&](int64_t chunk) {
    BatchShape shape = decode(2, 168);
    shape.min_context = 70, shape.max_context = 98;
    shape.prefill_tokens = chunk, shape.prefill_work_x2 = chunk * chunk;
    return times_of(p, {.model = "j"})->step(shape).base_ps;
  };
  const int64_t at = with_alpha(64);
  const int64_t between = with_alpha(40);
  p.skews[0].alpha_default = 0.5;  // what the cells say
  REQUIRE(with_alpha(64) == at);
  REQUIRE(with_alpha(40) > between);
}

TEST_CASE("several short prompts add a share of what one chunk adds to the decodes") {
  const auto t = times_of(small_profile(), {.model = "j"});
  BatchShape one = even(8, 64);
  one.prefill_tokens = 64;
  one.prefill_work_x2 = 64 * 64;
  BatchShape two = one;
  two.prefill_work_x2 = 2 * 32 * 32;
  const int64_t added = ps(64e-6);
  REQUIRE(t->step(one).base_ps - t->step(two).base_ps == added / 2);
  REQUIRE(t->step(two).valid_to_context == two.decode_context);
}

TEST_CASE("uneven contexts move a step towards the one where all are as long as the longest") {
  const auto t = times_of(small_profile(), {.model = "j"});
  BatchShape uneven = decode(2, 168);
  uneven.min_context = 70, uneven.max_context = 98;  // evenness 0.5: alpha 0.5
  const int64_t mean = t->step(even(2, 84)).base_ps;
  const int64_t longest = t->step(even(2, 98)).base_ps;
  REQUIRE(std::abs(t->step(uneven).base_ps - (mean + longest) / 2) <= 2);
  REQUIRE(t->step(uneven).valid_to_context == 2 * 100 - 28);  // the longest reaches 100 when the sum is 172
  // Beyond the table's cells stands the default: 9 sequences.
  BatchShape many = decode(9, 9 * 20 + 70);
  many.min_context = 20, many.max_context = 90;
  REQUIRE(t->step(many).base_ps > t->step(even(9, 27)).base_ps);
}

TEST_CASE("the line of a step with uneven contexts is the step at every context up to its end") {
  const auto t = times_of(small_profile(), {.model = "j"});
  RandomStream random(stream_key(9, 0), 0, Purpose::faults);
  const auto draw = [&](int64_t n) { return static_cast<int64_t>(random.bits() % static_cast<uint64_t>(n)); };
  for (int i = 0; i < 3000; ++i) {
    const int64_t n = 1 + draw(12);
    BatchShape shape;
    shape.decode_sequences = shape.head_sequences = n;
    shape.min_context = draw(1500);
    shape.max_context = shape.min_context;
    for (int64_t s = 0; s < n; ++s) {
      const int64_t each = s == 0 ? shape.min_context : shape.min_context + draw(400);
      shape.max_context = std::max(shape.max_context, each);
      shape.decode_context += each;
    }
    const StepLine line = t->step(shape);
    REQUIRE(line.valid_to_context >= shape.decode_context);
    const int64_t room =
        line.valid_to_context == INT64_MAX ? 1000 : line.valid_to_context - shape.decode_context;
    const int64_t steps = std::min(room / n, draw(600));
    BatchShape later = shape;
    later.decode_context += steps * n;
    later.min_context += steps, later.max_context += steps;
    const StepLine there = t->step(later);
    REQUIRE(there.base_ps == line.base_ps + line.slope_ps * steps * n);
    REQUIRE(there.slope_ps == line.slope_ps);
    REQUIRE(there.valid_to_context == line.valid_to_context);
    REQUIRE(line.base_ps > 0);
  }
}

TEST_CASE("figures that would leave the range of picoseconds are refused, not computed with") {
  const auto refused = [](const char* model, const std::function<void(Profile&)>& spoil) {
    Profile p = small_profile();
    spoil(p);
    return !problems_of(p, "p.h5").empty() ||
           !make_service_times(p, {.model = model, .adapters = *model == 'g'}, "p.h5").ok();
  };
  REQUIRE(!refused("g", [](Profile&) {}));
  REQUIRE(!refused("j", [](Profile&) {}));
  REQUIRE(refused("j", [](Profile& p) { p.parameters[4].value = 1e300; }));  // host_step_s
  REQUIRE(refused("j", [](Profile& p) { p.parameters[2].value = 1e-9; }));   // all_reduce_byte_per_s
  REQUIRE(refused("g", [](Profile& p) { p.kernels[0].time_s.assign(p.kernels[0].time_s.size(), 1e-15); }));
  REQUIRE(refused("j", [](Profile& p) { p.skews[0].alpha[3] = 1.5; }));
  REQUIRE(refused("g", [](Profile& p) {
    for (double& s : p.kernels[2].time_s) s *= s > 1e-4 ? 1e6 : 1;  // attention_decode: a cliff
  }));
}

TEST_CASE("before the first point a falling line is not followed upwards") {
  Profile p = small_profile();
  p.kernels[0] = made_kernel("g/linear", {linear("tokens", {1000, 1001})},
                             [](const std::vector<double>& x) { return x[0] < 1000.5 ? 1e-1 : 1e-9; });
  const auto made = make_service_times(p, {.model = "g"}, "p.h5");
  REQUIRE(made.ok());
  REQUIRE(made.value()->step(decode(1, 10)).base_ps < ps(0.2));
}

}  // namespace
}  // namespace cotenant
