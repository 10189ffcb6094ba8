// The CPU kernels beside what they can be measured against: OpenBLAS, memcpy, or reading memory in a stream.
// Measurements, not tests: nothing is asserted.
//
//   bench_kernels [section...]    sections: layer few-rows bags pauses attention adamw training training-355m
//
// Without a section all run but the last, which takes 7 GB. Both sides of a row are run in turns on one
// thread, and timed by the CPU time of the thread; the ratio is the median of the ratios of neighbours, which
// a busy machine moves far less than the times themselves.
#include <cblas-openblas.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <functional>
#include <numeric>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "kernels/cpu/blas_threads.h"
#include "kernels/cpu/linear.h"
#include "kernels/cpu/recommender.h"
#include "kernels/cpu/training.h"
#include "kernels/cpu/vector_loops.h"
#include "kernels/model/decoder.h"
#include "kernels/model/decoder_training.h"
#include "kernels/model/random_values.h"

namespace cotenant {
namespace {

constexpr size_t kMiB = size_t{1} << 20U;

double cpu_s() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

// Seconds of one call: short calls are repeated until they last long enough for the clock.
struct Timed {
  std::function<void()> run;
  int64_t repeats = 1;
  double once() const {
    const double from = cpu_s();
    for (int64_t i = 0; i < repeats; ++i) run();
    return (cpu_s() - from) / static_cast<double>(repeats);
  }
};

Timed timed(std::function<void()> run, double least_s = 1e-3) {
  Timed t{std::move(run)};
  t.run();
  const double once = t.once();
  if (once < least_s) t.repeats = static_cast<int64_t>(least_s / std::max(once, 1e-7)) + 1;
  return t;
}

struct Pair {
  double ours_s = 0;       // median
  double reference_s = 0;  // median
  double ratio = 0;        // median of reference / ours of neighbours: above 1 we take less time
};

// In turns, each side first in every other round, for about `budget_s`.
Pair in_turns(const Timed& ours, const Timed& reference, double budget_s = 0.6) {
  std::vector<double> a;
  std::vector<double> b;
  std::vector<double> ratios;
  const double from = cpu_s();
  for (int round = 0; round < 7 || (cpu_s() - from < budget_s && round < 200); ++round) {
    const bool first = round % 2 == 0;
    if (first) a.push_back(ours.once());
    b.push_back(reference.once());
    if (!first) a.push_back(ours.once());
    ratios.push_back(b.back() / a.back());
  }
  return {median(a), median(b), median(ratios)};
}

void print(const std::string& what, const std::string& ours, const std::string& reference, double ratio) {
  double load = 0;
  getloadavg(&load, 1);
  fmt::print("| {:<58} | {:>12} | {:>24} | {:>5.2f} | {:>4.1f} |\n", what, ours, reference, ratio, load);
  std::fflush(stdout);
}

struct Bytes {
  double ours = 0;
  double reference = 0;
  const char* name = "";  // of the reference
};
// Bandwidths; the ratio is the share of the reference's.
void print_bytes(const std::string& what, const Pair& p, const Bytes& b) {
  print(what, fmt::format("{:.1f} GB/s", 1e-9 * b.ours / p.ours_s),
        fmt::format("{} {:.1f} GB/s", b.name, 1e-9 * b.reference / p.reference_s),
        p.ratio * b.ours / b.reference);
}

void print_head() {
  std::ifstream in("/proc/cpuinfo");
  std::string name = "unknown processor";
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("model name", 0) == 0) name = line.substr(line.find(": ") + 2);
  }
  fmt::print("{}; {}; loops {}; one thread\n\n", name, cpu::blas_description(), cpu::vector_loops().name);
  fmt::print("| {:<58} | {:>12} | {:>24} | ratio | load |\n|---|---|---|---|---|\n", "what", "ours",
             "reference");
}

volatile float sink = 0;

// Reads 64 MiB of `memory` at a time, another part each time.
Timed stream_read(const cpu::Floats& memory) {
  constexpr size_t kValues = 64 * kMiB / sizeof(float);
  return timed([&memory, part = size_t{0}]() mutable {
    part = (part + 1) % (memory.size() / kValues);
    const float* from = &memory[part * kValues];
    sink = cpu::vector_loops().dot(from, from + kValues / 2, kValues / 2);
  });
}
constexpr double kStreamBytes = 64.0 * static_cast<double>(kMiB);

// --- layer ---

void blas_linear(const float* x, const float* w, float* y, const cpu::LinearShape& s) {
  const auto m = static_cast<blasint>(s.rows);
  const auto k = static_cast<blasint>(s.inner);
  const auto n = static_cast<blasint>(s.columns);
  if (m == 1) {
    cblas_sgemv(CblasRowMajor, CblasNoTrans, n, k, 1, w, k, x, 1, 0, y, 1);
  } else {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1, x, k, w, k, 0, y, n);
  }
}

struct Rates {
  double bytes_per_s = 0;
  double flop_per_s = 0;
};

// The least the rest of a layer takes: activations once through memory, attention at the rate of sgemm.
double floors_s(const DecoderConfig& c, int64_t rows, int64_t context, const Rates& rates) {
  const double values = static_cast<double>(rows * (6 * c.hidden + 2 * c.heads * c.head_dim + 3 * c.ffn)) +
                        static_cast<double>(2 * c.kv_heads * c.head_dim * (context + rows));
  const cpu::AttentionShape attention{rows, context, c.heads, c.kv_heads, c.head_dim};
  return 4 * values / rates.bytes_per_s + attention.flop() / rates.flop_per_s;
}

Rates measured_rates() {
  const cpu::Floats memory(256 * kMiB / sizeof(float), 1.0F);
  const Timed stream = stream_read(memory);
  const std::vector<float> x = random_values(kMiB, 1, {1, 1});
  std::vector<float> y(x.size());
  const Timed gemm = timed([&] { blas_linear(x.data(), x.data(), y.data(), {1024, 1024, 1024}); });
  const Pair p = in_turns(stream, gemm);
  return {kStreamBytes / p.ours_s, 2.0 * 1024 * 1024 * 1024 / p.reference_s};
}

void layer_row(const DecoderConfig& c, int64_t tokens, const Rates& rates) {
  const int64_t context = tokens == 1 ? 512 : 0;
  const DecoderWeights w = random_decoder(c, 1);
  Decoder decoder(w);
  KvCache cache(c, context + tokens);
  cache.fill(random_values(1 << 16, 1, {1, 2}));
  const auto input = random_indices(tokens, c.vocabulary, {1, 3});
  const SequenceWork work{.tokens = input, .cache = &cache};
  const Timed ours = timed([&] {
    cache.set_length(context);
    decoder.step({&work, 1}, {.lora = false, .head = false});
  });
  const std::vector<float> x = random_values(tokens * std::max(c.ffn, c.hidden), 1, {1, 4});
  std::vector<float> y(x.size());
  const Timed blas = timed([&] {
    for (size_t i = 0; i < kLinears; ++i) {
      blas_linear(x.data(), w.layers[0].linears[i].data(), y.data(),
                  linear_shape(c, static_cast<Linear>(i), tokens));
    }
  });
  const Pair p = in_turns(ours, blas, 1.0);
  const double floors = floors_s(c, tokens, context, rates);
  print(fmt::format("layer of {}, {} tokens: time / (BLAS calls + floors)", c.name, tokens),
        fmt::format("{:.3f} ms", 1e3 * p.ours_s),
        fmt::format("{:.3f} + {:.3f} ms", 1e3 * p.reference_s, 1e3 * floors),
        1 / (p.ratio * (1 + floors / p.reference_s)));
}

void layers() {
  const Rates rates = measured_rates();
  for (const char* name : {"decoder-25m", "decoder-355m"}) {
    DecoderConfig c = *find_decoder(name);
    c.layers = 1;
    c.vocabulary = 1024;
    for (const int64_t tokens : {1, 8, 64, 512}) layer_row(c, tokens, rates);
  }
}

// --- few rows ---

struct FewRows {
  int64_t size = 0;  // inner and columns
  int64_t rows = 0;
  bool cold = false;
};

// Copies of the weights, so many that they do not fit into any cache if cold.
struct Copies {
  std::vector<cpu::Floats> plain;
  std::vector<cpu::PackedWeights> packed;
  explicit Copies(int64_t size, bool cold) {
    const int64_t count =
        cold ? std::max<int64_t>(2, 128 * static_cast<int64_t>(kMiB) / (size * size * 4)) : 1;
    plain.assign(static_cast<size_t>(count), random_floats(size * size, 1, {1, 1}));
    for (const cpu::Floats& w : plain) packed.emplace_back(w.data(), size, size);
  }
};

struct Gains {
  double packed = 0;
  double in_place = 0;
};

Gains few_rows(const FewRows& f, const Copies& copies) {
  const cpu::LinearShape shape{f.rows, f.size, f.size};
  const std::vector<float> x = random_values(f.rows * f.size, 1, {1, 2});
  std::vector<float> y(x.size());
  size_t next = 0;
  const auto turn = [&] { return next = (next + 1) % copies.plain.size(); };
  const Timed blas = timed([&] { blas_linear(x.data(), copies.plain[turn()].data(), y.data(), shape); });
  const Timed packed = timed([&] { cpu::linear(x.data(), copies.packed[turn()], y.data(), f.rows); });
  const Timed in_place = timed([&] { cpu::linear(x.data(), copies.plain[turn()].data(), y.data(), shape); });
  return {in_turns(packed, blas, 0.03).ratio, in_turns(in_place, blas, 0.03).ratio};
}

void few_rows_group(const std::string& name, const std::vector<int64_t>& rows, bool cold) {
  double log_packed = 0;
  double log_in_place = 0;
  double least = INFINITY;
  int count = 0;
  for (const int64_t size : {256, 512, 1024, 2048}) {
    const Copies copies(size, cold);
    for (const int64_t m : rows) {
      const Gains g = few_rows({size, m, cold}, copies);
      log_packed += std::log(g.packed);
      log_in_place += std::log(g.in_place);
      least = std::min(least, g.packed);
      ++count;
    }
  }
  const std::string what =
      fmt::format("dense layer, {} rows, N = K = 256..2048, {}", name, cold ? "cold" : "hot");
  print(what + ": packed", fmt::format("least {:.2f}", least), "OpenBLAS time", std::exp(log_packed / count));
  print(what + ": in place", "", "OpenBLAS time", std::exp(log_in_place / count));
}

void all_few_rows() {
  cpu::keep_blas_on_this_thread();
  for (const bool cold : {false, true}) {
    few_rows_group("1", {1}, cold);
    few_rows_group("2 to 8", {2, 3, 4, 5, 6, 7, 8}, cold);
    few_rows_group("12 to 32", {12, 16, 24, 32}, cold);
    few_rows_group("64 to 512", {64, 128, 512}, cold);
  }
}

// --- bags ---

template <class Table>
void bag_row(const Table& table, int64_t dim, const std::string& pages, const Timed& stream) {
  const int64_t rows = 64;
  const int64_t pooling = 80;
  const int64_t sets = 300;
  const auto index = random_indices(sets * rows * pooling, static_cast<int64_t>(table.size()) / dim, {1, 7});
  std::vector<float> out(static_cast<size_t>(rows * dim));
  // Long samples: the stream that runs in between has emptied the caches of page tables too.
  const Timed ours = timed(
      [&, set = int64_t{0}]() mutable {
        set = (set + 1) % sets;
        cpu::embedding_bag(table.data(), &index[set * rows * pooling], out.data(), {rows, pooling, dim, dim});
      },
      2e-2);
  print_bytes(fmt::format("embedding bag, 1 GiB, {} values a row, {}", dim, pages), in_turns(ours, stream),
              {static_cast<double>(rows * pooling * dim) * sizeof(float), kStreamBytes, "stream"});
}

void bags() {
  const cpu::Floats huge(1024 * kMiB / sizeof(float), 0.5F);
  const Timed stream = stream_read(huge);
  for (const int64_t dim : {32, 64, 128}) bag_row(huge, dim, "huge pages", stream);
  const std::vector<float> plain(1024 * kMiB / sizeof(float), 0.5F);
  for (const int64_t dim : {32, 64, 128}) bag_row(plain, dim, "plain pages", stream);
}

// --- pauses ---

// Reads 256 MiB in turn with a rest in which nobody touches them. Means: a pause costs now and then, and
// much.
void pause_row(std::span<const float> memory, const char* pages) {
  constexpr int kRounds = 20;
  const Timed read{
      [&] { sink = cpu::vector_loops().dot(&memory[0], &memory[memory.size() / 2], memory.size() / 2); }};
  double rested = 0;
  double busy = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    rested += read.once() / kRounds;
    busy += read.once() / kRounds;
  }
  print(fmt::format("read 256 MiB after 0.4 s of rest, {}", pages), fmt::format("{:.2f} ms", 1e3 * rested),
        fmt::format("at once again {:.2f} ms", 1e3 * busy), rested / busy);
}

void pauses() {
  const cpu::Floats huge(256 * kMiB / sizeof(float), 1.0F);
  pause_row(huge, "huge pages");
  const std::vector<float> plain(256 * kMiB / sizeof(float), 1.0F);
  pause_row(plain, "plain pages");
}

// --- attention ---

struct DecodeCase {
  DecoderConfig config;
  int64_t context = 0;
  bool shuffled = false;
};

// One layer; each call takes the next sequence, so that its blocks come from memory.
void decode_row(const DecodeCase& d, const Timed& stream) {
  DecoderConfig c = d.config;
  c.layers = 1;
  const int64_t block_values = cpu::kv_block_values(c.kv_heads, c.head_dim);
  KvPool pool(c, static_cast<int64_t>(512 * kMiB) / (block_values * 4));
  std::fill_n(pool.layer(0), pool.blocks() * block_values, 0.01F);
  std::vector<int32_t> table(static_cast<size_t>(pool.blocks()));
  std::iota(table.begin(), table.end(), 0);
  for (size_t i = table.size(); d.shuffled && i-- > 1;) {
    std::swap(table[i], table[random_indices(1, static_cast<int64_t>(i) + 1, {i, 1})[0]]);
  }
  const cpu::AttentionShape shape{1, d.context - 1, c.heads, c.kv_heads, c.head_dim};
  const std::vector<float> q = random_values(c.heads * c.head_dim, 1, {1, 1});
  std::vector<float> out(q.size());
  std::vector<float> scratch(static_cast<size_t>(cpu::attention_scratch(shape)));
  const int64_t blocks = (d.context + cpu::kKvBlockTokens - 1) / cpu::kKvBlockTokens;
  const Timed ours = timed([&, at = int64_t{0}]() mutable {
    at = at + 2 * blocks <= pool.blocks() ? at + blocks : 0;
    cpu::attention(
        {q.data(), {pool.layer(0), &table[static_cast<size_t>(at)], blocks}, out.data(), scratch.data()},
        shape);
  });
  print_bytes(fmt::format("decode attention, {}/{} heads of {}, context {}, {}", c.heads, c.kv_heads,
                          c.head_dim, d.context, d.shuffled ? "shuffled" : "in order"),
              in_turns(ours, stream),
              {4.0 * static_cast<double>(blocks * block_values), kStreamBytes, "stream"});
}

void attention() {
  const cpu::Floats memory(256 * kMiB / sizeof(float), 1.0F);
  const Timed stream = stream_read(memory);
  for (const char* name : {"decoder-25m", "decoder-355m", "llama-3.1-8b"}) {
    for (const int64_t context : {128, 512, 4096}) {
      for (const bool shuffled : {false, true}) decode_row({*find_decoder(name), context, shuffled}, stream);
    }
  }
}

// --- adamw ---

void adamw() {
  const int64_t n = 16 << 20;
  cpu::Floats w(static_cast<size_t>(n), 1.0F);
  const cpu::Floats g(w.size(), 0.5F);
  cpu::Floats m(w.size());
  cpu::Floats v(w.size());
  const cpu::AdamwTensor tensor{w.data(), g.data(), m.data(), v.data(), n};
  const Timed ours = timed([&, step = int64_t{0}]() mutable { cpu::adamw({&tensor, 1}, {}, ++step); });
  const cpu::Floats from(w.size(), 1.0F);
  cpu::Floats to(w.size());
  const Timed copy = timed([&] { std::memcpy(to.data(), from.data(), to.size() * sizeof(float)); });
  print_bytes("AdamW, 16 M parameters (28 bytes each)", in_turns(ours, copy),
              {28.0 * static_cast<double>(n), 8.0 * static_cast<double>(n), "memcpy"});
}

// --- training ---

void training_rows(const DecoderConfig& c, int64_t sequences, int64_t length) {
  const std::vector<float> x = random_values(kMiB, 1, {1, 1});
  std::vector<float> y(x.size());
  const Timed gemm = timed([&] { blas_linear(x.data(), x.data(), y.data(), {1024, 1024, 1024}); });
  const double gemm_flop = 2.0 * 1024 * 1024 * 1024;
  const DecoderWeights w = random_decoder(c, 1);
  const TokenBatch batch = random_tokens(c, sequences, length, 2);
  const auto row = [&](const std::string& what, const Timed& ours, double flop) {
    const Pair p = in_turns(ours, gemm, 3);
    print(fmt::format("{}, {}, {} x {} tokens", what, c.name, sequences, length),
          fmt::format("{:.1f} Gflop/s", 1e-9 * flop / p.ours_s),
          fmt::format("sgemm {:.1f} Gflop/s", 1e-9 * gemm_flop / p.reference_s), p.ratio * flop / gemm_flop);
  };
  {
    DecoderTrainer trainer(w);
    row("training step", timed([&] { trainer.train_step(batch, {}); }), training_flop(c, sequences, length));
  }
  const AdapterShape shape{16, AdapterTargets::all_linears};
  AdapterTrainer trainer(&w, random_adapter(c, shape.rank, 3));
  row("LoRA step, rank 16", timed([&] { trainer.train_step(batch, {}); }),
      adapter_training_flop(c, shape, batch));
}

void training() {
  training_rows(decoder_25m(), 1, 512);
  training_rows(decoder_25m(), 4, 128);
}

struct Section {
  const char* name;
  void (*run)();
  bool by_default;
};
constexpr Section kSections[] = {
    {"layer", layers, true},
    {"few-rows", all_few_rows, true},
    {"bags", bags, true},
    {"pauses", pauses, true},
    {"attention", attention, true},
    {"adamw", adamw, true},
    {"training", training, true},
    {"training-355m", [] { training_rows(*find_decoder("decoder-355m"), 1, 256); }, false},
};

bool wanted(const Section& section, int argc, char** argv) {
  if (argc == 1) return section.by_default;
  return std::any_of(argv + 1, argv + argc,
                     [&](const char* name) { return std::strcmp(name, section.name) == 0; });
}

}  // namespace
}  // namespace cotenant

int main(int argc, char** argv) {
  cotenant::cpu::keep_blas_on_this_thread();
  cotenant::print_head();
  for (const cotenant::Section& section : cotenant::kSections) {
    if (cotenant::wanted(section, argc, argv)) section.run();
  }
  return 0;
}
