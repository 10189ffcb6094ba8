// Public here: ReplayReference.
#include "tools/replay_reference.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "kernels/calibrate/visits.h"

namespace cotenant {
namespace {

constexpr uint32_t kGroup = UINT32_MAX;  // no replica has this number
constexpr size_t kRecent = 5;            // runs whose median is the speed of the moment
constexpr double kBetweenDecodesS = 0.05;
constexpr double kBetweenPromptsS = 0.8;

// n and m of "WORDn at m"; nothing of any other text.
std::optional<std::array<int64_t, 2>> counts_in(std::string_view text, std::string_view word) {
  std::array<int64_t, 2> counts{};
  const std::array<std::string_view, 2> before = {word, " at "};
  for (size_t i = 0; i < 2; ++i) {
    if (!text.starts_with(before[i])) return std::nullopt;
    text.remove_prefix(before[i].size());
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), counts[i]);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
  }
  return text.empty() ? std::optional(counts) : std::nullopt;
}

// The held-out step "WORDn at m" of the least n: hot, without adapters, with nothing else in the step.
struct HeldOut {
  int64_t count = 0;
  int64_t context = 0;
  double measured_s = 0;
};
std::optional<HeldOut> held_out(const Profile& profile, const std::string& model, std::string_view word) {
  std::optional<HeldOut> least;
  for (const HoldOut& h : profile.holdouts) {
    const auto counts = counts_in(h.shape, word);
    if (h.kernel != model + "/step" || !counts || h.measured_s <= 0) continue;
    if (!least || counts->at(0) < least->count) least = {counts->at(0), counts->at(1), h.measured_s};
  }
  return least;
}

}  // namespace

double ReplayReference::Step::now_s() const {
  const size_t recent = std::min(kRecent, taken_s.size());
  return median_of({taken_s.end() - static_cast<std::ptrdiff_t>(recent), taken_s.end()});
}

std::optional<ReplayReference> ReplayReference::make(const Profile& profile, const RunnerShape& shape,
                                                     ModelRunner* runner) {
  const auto decode = held_out(profile, shape.decoder.name, "decode ");
  const auto prompt = held_out(profile, shape.decoder.name, "prefill ");
  if (!shape.generates() || !decode || decode->count != 1 || !prompt) return std::nullopt;
  const ExecutedSequence one{.id = 1, .context = decode->context, .tokens = 1, .most = decode->context + 1};
  const ExecutedSequence many{
      .id = 2, .context = prompt->context, .tokens = prompt->count, .most = prompt->context + prompt->count};
  return ReplayReference(
      runner, shape.decoder,
      {.sequence = one, .calibrated_s = decode->measured_s, .between_s = kBetweenDecodesS},
      {.sequence = many, .calibrated_s = prompt->measured_s, .between_s = kBetweenPromptsS});
}

ReplayReference::ReplayReference(ModelRunner* runner, const DecoderConfig& shape, Step decode, Step prompt)
    : runner_(runner),
      weights_(static_cast<double>(shape.matrix_parameters())),
      kv_per_token_(static_cast<double>(2 * shape.layers * shape.kv_heads * shape.head_dim)),
      decode_(std::move(decode)),
      prompt_(std::move(prompt)) {}

int64_t ReplayReference::kv_tokens() const {
  return decode_.sequence.most + prompt_.sequence.most;
}

void ReplayReference::run(Step* step, uint32_t weights) {
  const std::vector<ExecutedPart> parts = {{weights, {step->sequence}}};
  // Calibration measured it right after itself, with the weights where that leaves them.
  if (step == &decode_) runner_->step(kGroup, parts);
  step->taken_s.push_back(runner_->step(kGroup, parts));
  step->since_s = 0;
}

void ReplayReference::begin(uint32_t weights) {
  for (Step* step : {&prompt_, &decode_}) {
    step->taken_s.clear();
    for (size_t i = 0; i < kRecent; ++i) run(step, weights);
  }
}

void ReplayReference::after(const std::vector<ExecutedPart>& parts, double took_s) {
  const double memory = memory_s(parts, took_s);
  decode_.since_s += memory;
  prompt_.since_s += took_s - memory;
  const uint32_t weights = parts.back().weights;
  const bool prompt_is_due = prompt_.since_s >= prompt_.between_s;
  if (prompt_is_due) run(&prompt_, weights);
  if (prompt_is_due || decode_.since_s >= decode_.between_s) run(&decode_, weights);
}

double ReplayReference::values_read(const std::vector<ExecutedPart>& parts) const {
  double values = 0;
  for (const ExecutedPart& part : parts) {
    values += weights_;
    for (const ExecutedSequence& s : part.sequences)
      values += kv_per_token_ * static_cast<double>(s.context + s.tokens);
  }
  return values;
}

double ReplayReference::memory_s(const std::vector<ExecutedPart>& parts, double took_s) const {
  const double share = values_read(parts) / values_read({{0, {decode_.sequence}}});
  return std::min(took_s, share * decode_.now_s());
}

double ReplayReference::at_calibrated_speed(const std::vector<ExecutedPart>& parts, double took_s) const {
  const double memory = memory_s(parts, took_s);
  return memory_at_calibrated_speed(memory) + (took_s - memory) * prompt_.calibrated_s / prompt_.now_s();
}

double ReplayReference::memory_at_calibrated_speed(double took_s) const {
  return took_s * decode_.calibrated_s / decode_.now_s();
}

ReferenceRatio ReplayReference::ratio() const {
  return {.product = median_of(prompt_.taken_s) / prompt_.calibrated_s,
          .read = median_of(decode_.taken_s) / decode_.calibrated_s};
}

}  // namespace cotenant
