#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "sim/core/amounts.h"
#include "sim/core/result.h"

namespace cotenant {

// Devices and models as their makers describe them: what a profile is modelled from where nobody measured.
// The files are scenarios/catalog/skus.yaml and models.yaml; users may write their own.

// Peaks of one device, dense arithmetic (no sparsity).
struct CatalogSku {
  std::string name;
  int line = 0;
  std::string kind = "gpu";    // gpu, cpu or accelerator
  double peak_flop_per_s = 0;  // bf16 on GPUs
  int64_t memory_byte_per_s = 0;
  int64_t host_byte_per_s = 0;  // between the host and the device, one direction
  Bytes memory{};
  std::string status;  // cited or assumed
  std::string source;
  std::string as_of;
};

// Sizes of a decoder transformer with grouped-query attention and a gated feed-forward layer.
struct CatalogModel {
  std::string name;
  int line = 0;
  int64_t layers = 0;
  int64_t hidden = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t ffn = 0;
  int64_t vocabulary = 0;
  std::string source;
  std::string as_of;
};

struct Catalog {
  std::vector<CatalogSku> skus;
  std::vector<CatalogModel> models;

  // nullptr if the catalogue has no such entry.
  [[nodiscard]] const CatalogSku* find_sku(const std::string& name) const;
  [[nodiscard]] const CatalogModel* find_model(const std::string& name) const;
};

// Reads one file: `skus:`, `models:` or both. As strict as a scenario; every problem in one pass.
Result<Catalog> read_catalog(const std::string& text, const std::string& file);

}  // namespace cotenant
