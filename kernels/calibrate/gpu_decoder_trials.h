#pragma once
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/calibrate/decoder_trials.h"
#include "kernels/calibrate/gpu_bench.h"
#include "kernels/calibrate/holdouts.h"
#include "kernels/model/gpu_decoder.h"
#include "kernels/model/gpu_training.h"

namespace cotenant {

// The grids of a decoder on a GPU. Token rows, rows of logits and ranks of adapters (whose slots have one
// rank) are padded to buckets; sums of context, chunks, adapters and blocks are smooth.
struct GpuDecoderGrid {
  std::vector<int64_t> tokens, heads, sequences, lora_tokens, train_tokens, ranks;  // padded
  std::vector<int64_t> chunks, contexts, sums, adapters, blocks;
};
// For a context limit of the model.
GpuDecoderGrid gpu_decoder_grid(bool quick, int64_t context_limit);

// The kernels of a decoder on a GPU, on random weights; adapters are on all linears, of rank 16 where no rank
// is named. Slots of the grid's ranks share one memory: the greatest rank whose slots take a sixth of the
// device's memory at most, but 16 at least; points of greater ranks do not fit. A model of which four L2
// caches hold nothing is always cold. Everything is made on first use; what does not fit throws
// cuda::OutOfGpuMemory, every time.
class GpuDecoderTrials {
 public:
  static constexpr int64_t kRank = 16;
  static constexpr int64_t kSequenceLength = 1024;  // of training batches, at most
  GpuDecoderTrials(GpuBench* bench, const DecoderConfig& config, const GpuDecoderGrid& grid, uint64_t seed);
  [[nodiscard]] const DecoderConfig& config() const { return config_; }
  // Whether an L2 cache can not hold what the model's step touches.
  [[nodiscard]] bool beyond_caches() const;

  // The parts of a step; beside each the work itself, for co-runs and benchmarks.
  Trial linear(int64_t tokens) { return trial(linear_work(tokens)); }
  Trial attention_prefill(int64_t chunk, int64_t context) { return trial(prefill_work(chunk, context)); }
  Trial attention_decode(int64_t sequences, int64_t context) {
    return trial(decode_work(sequences, context));
  }
  Trial head(int64_t sequences) { return trial(head_work(sequences)); }
  Trial lora(int64_t tokens, int64_t adapters, int64_t rank) {
    return trial(lora_work(tokens, adapters, rank));
  }
  Trial step(const HoldOutStep& step);
  Trial train_step(int64_t tokens);
  Trial lora_train_step(int64_t tokens);
  Trial weight_load();
  Trial adapter_load(int64_t rank);
  Trial kv_swap(int64_t blocks);

  GpuWork linear_work(int64_t tokens);
  GpuWork prefill_work(int64_t chunk, int64_t context);
  GpuWork decode_work(int64_t sequences, int64_t context);
  GpuWork head_work(int64_t sequences);
  GpuWork lora_work(int64_t tokens, int64_t adapters, int64_t rank);

 private:
  // One step's sequences in caches of their own, and its inputs.
  struct Staged {
    std::vector<std::vector<int32_t>> tokens;
    std::vector<GpuKvCache> caches;
    std::unique_ptr<GpuStep> step;
  };
  // What serving needs, made together.
  struct Serving {
    struct Sizes {
      int64_t kv_tokens = 0;
      int64_t slots = 0;
      int64_t greatest_rank = 0;
      GpuStepLimits limits;
    };
    Serving(cuda::Gpu* gpu, const DecoderConfig& config, const Sizes& sizes, uint64_t seed);
    // Throws cuda::OutOfGpuMemory for a rank beyond the slots'.
    const GpuAdapterSlots* slots_of(int64_t rank);
    [[nodiscard]] const GpuDecoderWeights* weights_of(int64_t copy) const {
      return &weights[static_cast<size_t>(copy)];
    }
    DeviceRandom random;
    std::deque<GpuDecoderWeights> weights;  // copies; the decoder borrows the first
    GpuKvPool pool;
    GpuAdapterSlots slots;  // of the greatest rank
    std::map<int64_t, GpuAdapterSlots> narrowed;
    std::unique_ptr<GpuDecoder> decoder;
  };
  Serving& serving();
  std::unique_ptr<GpuDecoderTrainer> make_trainer();
  std::unique_ptr<GpuAdapterTrainer> make_adapter_trainer();
  Trial trial(const GpuWork& work) { return bench_->trial(work, beyond_caches()); }
  std::shared_ptr<Staged> stage(const std::vector<SequencePlan>& sequences, int64_t first_slot);
  // Copies of a step, each with caches and adapters of its own, as far as both suffice.
  std::vector<std::shared_ptr<Staged>> stages(const std::vector<SequencePlan>& sequences, double bytes,
                                              int64_t adapters);
  GpuWork part(std::vector<std::shared_ptr<Staged>> stages, const StepOptions& options,
               const GpuAdapterSlots* adapters = nullptr);
  [[nodiscard]] double linear_bytes() const;
  [[nodiscard]] int64_t kv_tokens() const;
  [[nodiscard]] int64_t greatest_rank() const;

  GpuBench* bench_;
  DecoderConfig config_;
  GpuDecoderGrid grid_;
  uint64_t seed_;
  std::string missing_;  // why serving can not be had
  std::unique_ptr<Serving> serving_;
  std::unique_ptr<GpuDecoderTrainer> trainer_;
  std::unique_ptr<GpuAdapterTrainer> adapter_trainer_;
};

// The kernels of service_times.h, and kv_swap, weight_load and adapter_load of the model.
std::vector<KernelPlan> gpu_decoder_plans(const DecoderConfig& config, const GpuDecoderGrid& grid,
                                          bool beyond_caches,
                                          const std::function<GpuDecoderTrials&()>& trials);

}  // namespace cotenant
