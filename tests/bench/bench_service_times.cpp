// One look-up of a step, by kind, on tables of the size of a real profile: a measurement, not a test
// (docs/performance.md). Google Benchmark; CPU time.
#include <benchmark/benchmark.h>

#include <vector>

#include "kernels/profile/service_times.h"
#include "sim/core/philox.h"
#include "tests/kernels/profile/small_profile.h"

namespace cotenant {
namespace {

std::vector<int64_t> powers(int64_t from, int64_t to, bool zero) {
  std::vector<int64_t> points;
  if (zero) points.push_back(0);
  for (int64_t p = from; p <= to; p *= 2) points.push_back(p);
  return points;
}

// Tables as a full calibration writes them ("g") and as an imported layer profile brings them ("j").
Profile large_profile() {
  Profile p = small_profile();
  using X = std::vector<double>;
  p.kernels = {
      made_kernel("g/linear", {bucket("tokens", powers(1, 2048, false))},
                  [](const X& x) { return 1e-5 * x[0]; }),
      made_kernel("g/attention_prefill",
                  {linear("chunk", powers(16, 2048, false)), linear("context", powers(256, 4096, true))},
                  [](const X& x) { return 1e-6 * x[0] + 1e-8 * x[0] * x[1]; }),
      made_kernel("g/attention_decode",
                  {bucket("sequences", powers(1, 256, false)), linear("context", powers(64, 262144, false))},
                  [](const X& x) { return 1e-5 * x[0] + 1e-7 * x[1]; }),
      made_kernel("g/head", {bucket("sequences", powers(1, 256, false))},
                  [](const X& x) { return 1e-4 * x[0]; }),
      made_kernel("g/lora",
                  {bucket("tokens", powers(1, 2048, false)), linear("adapters", powers(1, 64, false))},
                  [](const X& x) { return 1e-6 * x[0] + 1e-4 * x[1]; }),
      made_kernel("j/linear", {linear("tokens", powers(1, 2048, false))},
                  [](const X& x) { return 1e-5 * x[0]; }),
      made_kernel(
          "j/attention",
          {linear("chunk", powers(16, 2048, true)), linear("context", powers(16, 16384, true)),
           linear("sequences", powers(1, 256, true)), linear("mean_context", powers(16, 16384, true))},
          [](const X& x) { return 1e-6 + 1e-6 * x[0] + 1e-8 * x[0] * x[1] + 1e-7 * x[2] * x[3]; }),
      made_kernel("j/head", {linear("sequences", powers(1, 256, false))},
                  [](const X& x) { return 1e-4 * x[0]; }),
      made_kernel("memory_copy", {linear("bytes", {1000, 1000000})}, [](const X& x) { return 1e-9 * x[0]; }),
      made_kernel("memory_scrub", {linear("bytes", {1000, 1000000})},
                  [](const X& x) { return 1e-10 * x[0]; }),
  };
  return p;
}

struct Mix {
  bool prefill = false;
  int64_t adapters = 0;
};

// A thousand steps of up to 128 sequences at contexts of 200 to 2,000 tokens.
std::vector<BatchShape> shapes(const Mix& mix) {
  RandomStream random(stream_key(3, 0), 0, Purpose::faults);
  const auto draw = [&](int64_t n) { return static_cast<int64_t>(random.bits() % static_cast<uint64_t>(n)); };
  std::vector<BatchShape> made;
  for (int i = 0; i < 1000; ++i) {
    BatchShape shape;
    const int64_t n = 1 + draw(128);
    shape.decode_sequences = shape.head_sequences = n;
    shape.min_context = 200 + draw(500);
    shape.max_context = shape.min_context + draw(1500);
    shape.decode_context = n * (shape.min_context + shape.max_context) / 2;
    shape.adapters = std::min(mix.adapters, n);
    if (mix.prefill) {
      shape.prefill_tokens = 16 + draw(1500);
      shape.prefill_work_x2 = shape.prefill_tokens * (2 * draw(1000) + shape.prefill_tokens);
      shape.prefill_sequences = 1;
    }
    made.push_back(shape);
  }
  return made;
}

void look_up(benchmark::State& state, const char* model, const Mix& mix) {
  auto made = make_service_times(large_profile(), {.model = model, .adapters = mix.adapters > 0}, "made up");
  const std::unique_ptr<ServiceTimes> service = std::move(made).value();
  const std::vector<BatchShape> asked = shapes(mix);
  size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(service->step(asked[at]));
    at = at + 1 == asked.size() ? 0 : at + 1;
  }
}

}  // namespace
}  // namespace cotenant

int main(int argc, char** argv) {
  using namespace cotenant;
  const auto add = [](const char* name, const char* model, const Mix& mix) {
    benchmark::RegisterBenchmark(name, [=](benchmark::State& state) { look_up(state, model, mix); });
  };
  add("measured/decode", "g", {});
  add("measured/decode+lora", "g", {.adapters = 16});
  add("measured/mixed", "g", {.prefill = true});
  add("measured/mixed+lora", "g", {.prefill = true, .adapters = 16});
  add("imported/decode", "j", {});
  add("imported/mixed", "j", {.prefill = true});
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
