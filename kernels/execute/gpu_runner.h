#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/execute/running_sequences.h"
#include "kernels/model/gpu_decoder.h"
#include "kernels/model/gpu_recommender.h"

namespace cotenant {

// Runs steps on a GPU; times lie between two events on its main stream, inputs being there already. A decode
// step is measured when it is replayed from its captured graph: where first steps may be repeated, the first
// two of a shape (one picks algorithms, one is captured) run before it and are not counted. Rows, those of
// logits too, are padded to the buckets of the profile's tokens. Models of up to kDrawnParameters have the
// values of CpuRunner, rounded, so that both can be compared; the host would draw larger ones for minutes, so
// the device does.
//
// Beyond the reserve, weights are made when they are needed, adapters share one more slot, and a sequence
// that finds no KV blocks throws cuda::OutOfGpuMemory. Problems of the device are exceptions everywhere.
class GpuRunner final : public ModelRunner {
 public:
  static constexpr int64_t kDrawnParameters = 1'000'000;
  // Why the GPU kernels cannot run this; empty: they can.
  static std::string problem_of(const RunnerShape& shape);

  // `gpu` outlives it. Requires: no problem.
  GpuRunner(RunnerShape shape, cuda::Gpu* gpu);
  void reserve(const Needs& needs) override;
  double step(uint32_t group, const std::vector<ExecutedPart>& parts) override;
  double score(uint32_t weights, int64_t rows) override;
  void warm(uint32_t weights) override;
  [[nodiscard]] int32_t generated(uint32_t group, uint64_t id) const override {
    return sequences_.generated(group, id);
  }

 private:
  struct Model {
    GpuDecoderWeights weights;
    GpuStepLimits limits;
    std::unique_ptr<GpuDecoder> decoder;
  };
  struct Scorer {
    GpuRecommenderWeights weights;
    std::unique_ptr<GpuRecommender> model;
    int64_t most_rows = 0;
  };
  void make_adapters(const std::vector<int64_t>& adapters);
  void pick_algorithms(uint32_t weights, int64_t rows);
  struct Extent {
    int64_t rows = 1;
    int64_t heads = 1;
  };
  GpuDecoder& decoder(uint32_t weights, Extent extent);
  GpuRecommender& scorer(uint32_t weights, int64_t rows);
  GpuExamples& examples(int64_t rows);
  [[nodiscard]] int32_t slot_of(int64_t adapter) const;
  std::unique_ptr<GpuKvCache> make_cache(int64_t tokens);
  double run_part(uint32_t group, const ExecutedPart& part);

  RunnerShape shape_;
  cuda::Gpu* gpu_;
  DeviceRandom random_;
  std::unique_ptr<cuda::GpuEvent> first_, last_;
  std::unique_ptr<GpuKvPool> kv_;
  std::unique_ptr<GpuAdapterSlots> slots_;
  std::map<int64_t, int32_t> slot_of_;  // by adapter
  std::map<uint32_t, Model> models_;
  std::map<uint32_t, Scorer> scorers_;
  std::map<int64_t, std::vector<GpuExamples>> examples_;  // by rows
  size_t next_examples_ = 0;
  bool repeat_first_ = true;
  RunningSequences<GpuKvCache> sequences_;
};

// Uploads out of pinned host memory, and fills of device memory, in pieces; seconds between two events.
class GpuMemoryRunner final : public MemoryRunner {
 public:
  // Both buffers are of `piece` bytes.
  explicit GpuMemoryRunner(cuda::Gpu* gpu, int64_t piece = int64_t{256} << 20);
  double copy(int64_t bytes) override;
  double scrub(int64_t bytes) override;

 private:
  cuda::Gpu* gpu_;
  int64_t piece_;
  std::unique_ptr<cuda::GpuMemory> host_;
  cuda::DeviceArray<uint8_t> device_;
  std::unique_ptr<cuda::GpuEvent> first_, last_;
};

}  // namespace cotenant
