#include "kernels/model/decoder.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "sim/core/philox.h"
#include "tests/kernels/model/reference_decoder.h"

namespace cotenant {
namespace {

std::vector<int32_t> prompt(size_t tokens, uint32_t entity) {
  RandomStream random(stream_key(5, 0), entity, Purpose::faults);
  std::vector<int32_t> out(tokens);
  for (int32_t& t : out)
    t = static_cast<int32_t>(random.bits() % static_cast<uint64_t>(decoder_tiny().vocabulary));
  return out;
}

void require_close(std::span<const float> got, const reference::Numbers& want) {
  REQUIRE(got.size() == want.size());
  for (size_t i = 0; i < want.size(); ++i) REQUIRE(got[i] == Approx(want[i]).epsilon(1e-4).margin(1e-4));
}

TEST_CASE("a prefill agrees with the reference operations, with and without an adapter") {
  const DecoderWeights w = random_decoder(decoder_tiny(), 1);
  const Adapter adapter = random_adapter(w.config, 3, 2);
  const auto tokens = prompt(13, 0);
  for (const Adapter* a : {static_cast<const Adapter*>(nullptr), &adapter}) {
    Decoder decoder(w);
    KvCache cache(w.config, 16);
    const SequenceWork work{.tokens = tokens, .cache = &cache, .adapter = a};
    const auto next = decoder.step({&work, 1});
    const auto want = ReferenceDecoder(w, a).last_logits(tokens);
    require_close(decoder.logits(), want);
    REQUIRE(next == std::vector<int32_t>{static_cast<int32_t>(reference::argmax(want))});
    REQUIRE(cache.length() == 13);
  }
}

TEST_CASE("a tied head and an adapter of query and value alone agree with the reference") {
  DecoderConfig config = decoder_tiny();
  config.tied_head = true;
  const DecoderWeights w = random_decoder(config, 11);
  REQUIRE(w.head.empty());
  const Adapter adapter = random_adapter(config, 3, 2, AdapterTargets::query_value);
  const auto tokens = prompt(9, 0);
  Decoder decoder(w);
  KvCache cache(config, 16);
  const SequenceWork work{.tokens = tokens, .cache = &cache, .adapter = &adapter};
  decoder.step({&work, 1});
  require_close(decoder.logits(), ReferenceDecoder(w, &adapter).last_logits(tokens));
}

TEST_CASE("sequences that share a pool get what each gets in a pool of its own, and blocks come back") {
  const DecoderWeights w = random_decoder(decoder_tiny(), 12);
  KvPool pool(w.config, 10);
  Decoder decoder(w);
  for (int round = 0; round < 2; ++round) {
    std::vector<KvCache> caches;
    std::vector<std::vector<int32_t>> prompts;
    std::vector<SequenceWork> batch;
    for (uint32_t i = 0; i < 3; ++i) {
      prompts.push_back(prompt(14 + 9 * i, 20 + i));
      caches.emplace_back(&pool, 40);
    }
    REQUIRE(pool.free_blocks() == 1);
    for (size_t i = 0; i < 3; ++i) batch.push_back({.tokens = prompts[i], .cache = &caches[i]});
    decoder.step(batch);
    for (size_t i = 0; i < 3; ++i) {
      const auto vocabulary = static_cast<size_t>(w.config.vocabulary);
      require_close(decoder.logits().subspan(i * vocabulary, vocabulary),
                    ReferenceDecoder(w).last_logits(prompts[i]));
    }
    caches.clear();
    REQUIRE(pool.free_blocks() == 10);
  }
}

TEST_CASE("no two sequences hold the same block, and a fresh pool hands out neighbours") {
  KvPool pool(decoder_tiny(), 6);
  const KvCache a(&pool, 33);
  const KvCache b(&pool, 48);
  REQUIRE(std::vector<int32_t>(a.table().begin(), a.table().end()) == std::vector<int32_t>{0, 1, 2});
  REQUIRE(std::vector<int32_t>(b.table().begin(), b.table().end()) == std::vector<int32_t>{3, 4, 5});
}

TEST_CASE("filling a cache writes all its blocks and no other sequence's") {
  KvPool pool(decoder_tiny(), 4);
  KvCache a(&pool, 32);
  KvCache b(&pool, 20);
  a.fill(std::vector<float>{1, 2, 3});
  for (int64_t l = 0; l < pool.layers(); ++l) {
    for (const int32_t block : a.table()) {
      for (const float value : pool.block(l, block)) REQUIRE((value >= 1 && value <= 3));
    }
    for (const int32_t block : b.table()) {
      for (const float value : pool.block(l, block)) REQUIRE(value == 0);
    }
  }
}

TEST_CASE("prefill in chunks and then decoding token by token equals one prefill of all") {
  const DecoderWeights w = random_decoder(decoder_tiny(), 3);
  const auto tokens = prompt(12, 1);
  const std::span<const int32_t> all(tokens);
  Decoder decoder(w);
  KvCache cache(w.config, 12);
  size_t done = 0;
  for (const size_t chunk : {4, 1, 5, 1, 1}) {
    const SequenceWork work{.tokens = all.subspan(done, chunk), .cache = &cache};
    decoder.step({&work, 1});
    done += chunk;
  }
  require_close(decoder.logits(), ReferenceDecoder(w).last_logits(tokens));
}

TEST_CASE("sequences of a mixed batch get what each would get alone, each with its own adapter") {
  const DecoderWeights w = random_decoder(decoder_tiny(), 4);
  const Adapter a = random_adapter(w.config, 4, 5);
  const Adapter b = random_adapter(w.config, 2, 6);
  const Adapter* const adapters[] = {&a, nullptr, &b, &b};
  std::vector<std::vector<int32_t>> prompts;
  std::vector<KvCache> caches;
  std::vector<SequenceWork> batch;
  for (uint32_t i = 0; i < 4; ++i) {
    prompts.push_back(prompt(3 + i, 10 + i));
    caches.emplace_back(w.config, 16);
  }
  Decoder decoder(w);
  // All but the last token first, so that the batch under test mixes decodes with the prefill of sequence 2.
  for (size_t i = 0; i < 4; ++i) {
    const std::span<const int32_t> tokens(prompts[i]);
    const size_t before = i == 2 ? 0 : tokens.size() - 1;
    const SequenceWork head{
        .tokens = tokens.first(before), .cache = &caches[i], .adapter = adapters[i], .want_logits = false};
    if (before > 0) REQUIRE(decoder.step({&head, 1}).empty());
    batch.push_back({.tokens = tokens.subspan(before),
                     .cache = &caches[i],
                     .adapter = adapters[i],
                     .want_logits = i != 1});
  }
  decoder.step(batch);
  const auto vocabulary = static_cast<size_t>(w.config.vocabulary);
  size_t row = 0;
  for (size_t i = 0; i < 4; ++i) {
    if (i == 1) continue;
    require_close(decoder.logits().subspan(row++ * vocabulary, vocabulary),
                  ReferenceDecoder(w, adapters[i]).last_logits(prompts[i]));
  }
  REQUIRE(decoder.logits().size() == 3 * vocabulary);
}

TEST_CASE("the parts of a step add up to the step") {
  const DecoderWeights w = random_decoder(decoder_tiny(), 7);
  const auto tokens = prompt(6, 3);
  Decoder decoder(w);
  KvCache cache(w.config, 16);
  const SequenceWork work{.tokens = tokens, .cache = &cache};
  decoder.step({&work, 1});
  const std::vector<float> logits(decoder.logits().begin(), decoder.logits().end());
  // The head alone, over the rows that the step left behind.
  cache.set_length(0);
  decoder.step({&work, 1}, {.linear = false, .attention = false, .lora = false, .head = true});
  require_close(decoder.logits(), wide(logits));
  // Attention alone changes nothing that a whole step would read again.
  cache.set_length(0);
  REQUIRE(
      decoder.step({&work, 1}, {.linear = false, .attention = true, .lora = false, .head = false}).empty());
  cache.set_length(0);
  decoder.step({&work, 1});
  require_close(decoder.logits(), wide(logits));
}

TEST_CASE("padding changes no result") {
  const DecoderWeights w = random_decoder(decoder_tiny(), 8);
  const Adapter adapter = random_adapter(w.config, 3, 2);
  const auto tokens = prompt(7, 4);
  Decoder decoder(w);
  std::vector<float> plain;
  for (const int64_t padding : {0, 16}) {
    KvCache cache(w.config, 8);
    const SequenceWork work{.tokens = tokens, .cache = &cache, .adapter = &adapter};
    REQUIRE(decoder.step({&work, 1}, {.padded_tokens = padding, .padded_heads = padding}).size() == 1);
    if (padding == 0) plain.assign(decoder.logits().begin(), decoder.logits().end());
    require_close(decoder.logits(), wide(plain));
  }
}

TEST_CASE("the preset has the sizes that the documents state, and the same seed the same weights") {
  const ModelFacts facts = facts_of(decoder_25m());
  REQUIRE(facts.parameters == 25'172'352);
  REQUIRE(facts.kv_bytes_per_token == 8192);
  REQUIRE(facts.weight_bytes == 4 * facts.parameters);
  const DecoderWeights a = random_decoder(decoder_tiny(), 9);
  const DecoderWeights b = random_decoder(decoder_tiny(), 9);
  const DecoderWeights other = random_decoder(decoder_tiny(), 10);
  REQUIRE(a.layers[1].linears[6] == b.layers[1].linears[6]);
  REQUIRE(a.embedding != other.embedding);
  int64_t values = static_cast<int64_t>(a.embedding.size() + a.head.size() + a.final_norm.size());
  for (const DecoderLayer& layer : a.layers) {
    values += static_cast<int64_t>(layer.attention_norm.size() + layer.ffn_norm.size());
    for (const auto& linear : layer.linears) values += static_cast<int64_t>(linear.size());
  }
  REQUIRE(values == a.config.parameters());
  int64_t adapter_values = 0;
  for (const auto& f : random_adapter(a.config, 3, 1).factors) {
    adapter_values += static_cast<int64_t>(f.a.size() + f.b.size());
  }
  REQUIRE(adapter_values == 3 * a.config.adapter_parameters_per_rank());
}

TEST_CASE("presets are found by name and have the sizes that the documents state") {
  REQUIRE(find_decoder("decoder-25m")->parameters() == 25'172'352);
  REQUIRE(find_decoder("decoder-355m")->parameters() == 354'731'008);
  REQUIRE(find_decoder("llama-3.2-1b")->parameters() == 1'235'814'400);
  REQUIRE(find_decoder("llama-3.1-8b")->parameters() == 8'030'261'248);
  REQUIRE_FALSE(find_decoder("llama-3.1-8").has_value());
  // Restated in SI units: 83.9 MB in bf16 at rank 16 on all linears, 13.6 MB on query and value.
  const DecoderConfig large = *find_decoder("llama-3.1-8b");
  REQUIRE(large.adapter_parameters_per_rank() * 16 == 41'943'040);
  REQUIRE(large.adapter_parameters_per_rank(AdapterTargets::query_value) * 16 == 6'815'744);
  for (const DecoderConfig& c : decoder_presets()) {
    REQUIRE(c.heads % c.kv_heads == 0);
    REQUIRE(find_decoder(c.name)->layers == c.layers);
  }
}

}  // namespace
}  // namespace cotenant
