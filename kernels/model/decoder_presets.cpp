// Public here: decoder_25m, decoder_tiny, decoder_presets, find_decoder.
#include "kernels/model/decoder.h"

namespace cotenant {
namespace {

DecoderConfig decoder_355m() {
  return {.name = "decoder-355m",
          .layers = 24,
          .hidden = 1024,
          .heads = 16,
          .kv_heads = 16,
          .head_dim = 64,
          .ffn = 2048,
          .vocabulary = 50304,
          .context_limit = 4096};
}

DecoderConfig llama_32_1b() {
  return {.name = "llama-3.2-1b",
          .layers = 16,
          .hidden = 2048,
          .heads = 32,
          .kv_heads = 8,
          .head_dim = 64,
          .ffn = 8192,
          .vocabulary = 128256,
          .context_limit = 8192,
          .tied_head = true};
}

DecoderConfig llama_31_8b() {
  return {.name = "llama-3.1-8b",
          .layers = 32,
          .hidden = 4096,
          .heads = 32,
          .kv_heads = 8,
          .head_dim = 128,
          .ffn = 14336,
          .vocabulary = 128256,
          .context_limit = 8192};
}

}  // namespace

DecoderConfig decoder_25m() {
  return {.name = "decoder-25m",
          .layers = 8,
          .hidden = 384,
          .heads = 6,
          .kv_heads = 2,
          .head_dim = 64,
          .ffn = 1024,
          .vocabulary = 16384,
          .context_limit = 4096};
}

DecoderConfig decoder_tiny() {
  return {.name = "decoder-tiny",
          .layers = 2,
          .hidden = 24,
          .heads = 6,
          .kv_heads = 2,
          .head_dim = 8,
          .ffn = 37,
          .vocabulary = 51,
          .context_limit = 128};
}

std::vector<DecoderConfig> decoder_presets() {
  return {decoder_25m(), decoder_355m(), llama_32_1b(), llama_31_8b()};
}

std::optional<DecoderConfig> find_decoder(std::string_view name) {
  for (const DecoderConfig& config : decoder_presets()) {
    if (config.name == name) return config;
  }
  return std::nullopt;
}

}  // namespace cotenant
