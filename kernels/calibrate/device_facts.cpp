// Public here: read_cpu_facts, cache_bytes, measure_peak_flop, measure_stream_bytes,
// raise_rates.
#include "kernels/calibrate/device_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>

#include "kernels/calibrate/sampler.h"
#include "kernels/cpu/linear.h"
#include "kernels/cpu/vector_loops.h"
#include "kernels/model/random_values.h"

namespace cotenant {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

int64_t number_in(const std::string& text) {
  const size_t from = text.find_first_of("0123456789");
  int64_t value = 0;
  if (from != std::string::npos) std::from_chars(text.data() + from, text.data() + text.size(), value);
  return value;
}

void read_processors(DeviceFacts* facts) {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const size_t colon = line.find(": ");
    if (line.rfind("processor", 0) == 0) ++facts->cores;
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) facts->name = line.substr(colon + 2);
  }
}

int64_t memory_bytes() {
  std::ifstream in("/proc/meminfo");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("MemTotal:", 0) == 0) return number_in(line) * 1024;
  }
  return 0;
}

int64_t last_level_cache() {
  int64_t bytes = 0;
  for (int i = 0; i < 8; ++i) {
    const std::string folder = fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/", i);
    bytes = std::max(bytes, cache_bytes(first_line(folder + "size")));
  }
  return bytes;
}

}  // namespace

int64_t cache_bytes(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value < 0 || value > INT64_MAX >> 30) return 0;
  const std::string unit(end, text.data() + text.size());
  if (unit.empty()) return value;
  if (unit == "K") return value << 10;
  if (unit == "M") return value << 20;
  return unit == "G" ? value << 30 : 0;
}

DeviceFacts read_cpu_facts() {
  DeviceFacts facts;
  facts.kind = "cpu";
  facts.name = "unknown";
  read_processors(&facts);
  facts.memory_bytes = memory_bytes();
  facts.last_level_cache_bytes = last_level_cache();
  return facts;
}

double measure_peak_flop(SampleClock* clock) {
  constexpr int64_t kSize = 768;
  const cpu::LinearShape shape{kSize, kSize, kSize};
  const auto x = random_values(kSize * kSize, 1, {.seed = 1, .tensor = 1});
  const auto w = random_values(kSize * kSize, 1, {.seed = 1, .tensor = 2});
  std::vector<float> y(x.size());
  const Measured m = measure({.run = [&] { cpu::linear(x.data(), w.data(), y.data(), shape); }, .before = {}},
                             {.budget_s = 0.4, .stop_error = 0}, clock);
  return shape.flop() / m.quantile_s.front();
}

double measure_stream_bytes(SampleClock* clock) {
  constexpr int64_t kValues = 16 << 20;  // of each of two arrays
  const std::vector<float> x(static_cast<size_t>(kValues), 1.0F);
  const std::vector<float> y(static_cast<size_t>(kValues), 0.5F);
  volatile float sink = 0;
  const Measured m =
      measure({.run = [&] { sink = cpu::vector_loops().dot(x.data(), y.data(), kValues); }, .before = {}},
              {.budget_s = 0.4, .stop_error = 0}, clock);
  return 2.0 * static_cast<double>(kValues) * sizeof(float) / m.quantile_s[kMedian];
}

void raise_rates(DeviceFacts* facts, SampleClock* clock) {
  facts->peak_flop_per_s = std::max(facts->peak_flop_per_s, measure_peak_flop(clock));
  facts->stream_byte_per_s = std::max(facts->stream_byte_per_s, measure_stream_bytes(clock));
}

}  // namespace cotenant
