#pragma once
#include <string>

#include "kernels/profile/profile.h"
#include "sim/core/result.h"
#include "sim/scenario/catalog.h"

namespace cotenant {

// A bundle of tables that a layer profiler measured inside a serving engine: times of one decoder layer.
struct LayerBundle {
  std::string
      folder;  // holds meta.yaml and tpN/{dense,per_sequence,attention,skew_fit}.csv, or the same with .gz
  int64_t devices = 1;  // N: tensor-parallel devices of one replica
  std::string unit;     // of the times: s, ms, us or ns; the column time_UNIT must exist
  CatalogModel model;   // the bundle holds one layer: the number of layers and the sizes come from here
  CatalogSku sku;
  // What a layer profile does not hold: two collectives a layer, latency + bytes / bandwidth each.
  double all_reduce_latency_s = 0;
  double all_reduce_byte_per_s = 0;  // 0 = none; requires > 0 where devices > 1
};

// Layout and meaning of the tables: LLMServingSim's profiler (casys-kaist/LLMServingSim, MIT), August 2026. A
// step is embedding + layers x (2 norms, qkv, q-k norm where there is one, rotary, attention, o, gate and up,
// activation, down) + final norm + head and sampler. The profile has these kernels, labelled "imported", and
// memory_copy and memory_scrub from the SKU's peaks, "modelled". Skew factors are cut to [0, 1]: a step of
// uneven contexts takes no less than one at their mean and no more than one where all are as long as the
// longest. Every problem names the file, and the line where there is one.
Result<Profile> import_layer_profile(const LayerBundle& bundle);

}  // namespace cotenant
