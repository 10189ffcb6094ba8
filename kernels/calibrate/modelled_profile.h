#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/model/decoder.h"
#include "kernels/model/recommender.h"
#include "kernels/profile/profile.h"

namespace cotenant {

// A device as its maker states it. Rates are peaks: dense arithmetic, one direction.
struct DevicePeaks {
  std::string name;  // "nvidia-h200-sxm-141gb"
  std::string kind;  // "gpu" or "cpu"
  int64_t memory_bytes = 0;
  double flop_per_s = 0;
  double memory_byte_per_s = 0;
  double host_byte_per_s = 0;
  std::string source;  // goes into the profile's versions
};

// The few figures that a roofline needs beside the peaks: shares of a peak that real kernels reach, and what
// the host adds. The values here are typical ones of large GPUs: GEMMs reach 65 to 80 % of the arithmetic and
// 80 to 85 % of the bandwidth (large bf16 GEMMs of microsoft/vidur's H100 tables: 748 of 989 TFLOP/s),
// attention 50 to 75 % and 70 to 85 %. They are assumptions, and the profile says so.
struct RooflineFigures {
  double compute_share = 0.65;
  double bandwidth_share = 0.8;
  double attention_compute_share = 0.55;
  double attention_bandwidth_share = 0.8;
  double host_step_s = 0.5e-3;
  double host_sequence_s = 20e-6;
  double host_prefill_step_s = 3e-3;
};

struct ModelledInput {
  DevicePeaks device;
  RooflineFigures figures;
  int64_t value_bytes = 2;  // of weights, activations and KV
  std::vector<DecoderConfig> decoders;
  std::vector<RecommenderConfig> recommenders;
  int64_t tokens_limit = 8192;      // of one step
  int64_t sequences_limit = 1024;   // of one step
  int64_t context_limit = 1 << 17;  // of one sequence
};

// Seconds of work that could overlap in part: the 8-norm of arithmetic and transfer. It is at least the
// greater of the two, and 9 % more where they are equal.
double roofline_s(double compute_s, double memory_s);

// A profile of every kernel in service_times.h, computed and labelled "modelled"; hot and cold are alike, all
// quantiles are the p50. Per step and layer of P weights: roofline_s of 2 P tokens flop and the weights'
// bytes; the head alike, by sequences; attention 4 H h (pairs) flop plus the bytes of the touched KV;
// training 6 flop a weight and token and 28 bytes a weight for AdamW; adapter tuning 4 and 6 on the adapter.
// Figures of the host stand in the profile's parameters. Requires: positive peaks and shares, tokens_limit >
// 2048.
Profile modelled_profile(const ModelledInput& input);

}  // namespace cotenant
