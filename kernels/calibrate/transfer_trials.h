#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/calibrate/decoder_trials.h"
#include "kernels/calibrate/device_trials.h"
#include "kernels/calibrate/kernel_plan.h"

namespace cotenant {

// A file without a name, filled with `bytes` of data, to read from. Direct (past the page cache) where the
// file system offers it. Throws std::system_error: the folder is not writable, or the disk is full.
class ScratchFile {
 public:
  ScratchFile(const std::string& folder, int64_t bytes);
  ~ScratchFile();
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  // Reads `bytes` at the next place, in pieces of 1 MiB; places rotate through the file. Requires: 0 < bytes,
  // a multiple of 4,096, at most the file's. Throws std::system_error.
  void read(int64_t bytes);
  // Drops the file's pages from the page cache, as far as the system obeys.
  void forget() const;
  [[nodiscard]] bool direct() const { return direct_; }

 private:
  int fd_ = -1;
  bool direct_ = false;
  int64_t bytes_ = 0;
  int64_t next_ = 0;
  std::unique_ptr<char, void (*)(void*)> buffer_;
};

// store_read over bytes: wall time, since the call waits. `file` makes the scratch file on first use.
KernelPlan store_plan(bool quick, const std::function<ScratchFile&()>& file);
inline constexpr int64_t kScratchBytes = 64LL << 20;

// empty_call (what a measured call costs by itself), and kv_swap over blocks: 16 tokens of the model's keys
// and values, all layers, gathered from a pool of blocks into one contiguous buffer.
KernelPlan empty_call_plan();
KernelPlan kv_swap_plan(const DecoderConfig& config, bool quick);
inline constexpr int64_t kTokensPerBlock = 16;

// <model>/weight_load: every tensor copied into a second set of weights, one after the other.
// <model>/adapter_load over rank: the factors of one adapter copied.
std::vector<KernelPlan> load_plans(const DecoderConfig& config,
                                   const std::function<DecoderTrials&()>& trials);
std::vector<KernelPlan> load_plans(const RecommenderConfig& config,
                                   const std::function<RecommenderTrials&()>& trials);

}  // namespace cotenant
