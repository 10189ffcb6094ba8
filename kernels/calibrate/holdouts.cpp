// Public here: holdout_steps, shape_of, text_of, padded, predicted_s, step_trial.
#include "kernels/calibrate/holdouts.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "sim/core/check.h"

namespace cotenant {
namespace {

// `count` decoding sequences of `context` tokens each; adapters 0 .. adapters-1 by turns.
void add_decodes(HoldOutStep* step, int64_t count, const SequencePlan& plan, int64_t adapters) {
  for (int64_t i = 0; i < count; ++i) {
    SequencePlan one = plan;
    // Neighbouring sequences differ a little in context, as in real batches.
    one.context += 7 * i;
    one.adapter = adapters == 0 ? -1 : i * adapters / count;
    step->sequences.push_back(one);
  }
}

struct Mix {
  int64_t prefill = 0;
  int64_t prefill_context = 0;
  int64_t decodes = 0;
  int64_t decode_context = 0;
  int64_t adapters = 0;
  Residency residency = Residency::hot;
};

HoldOutStep step_of(const Mix& mix) {
  HoldOutStep step;
  step.residency = mix.residency;
  if (mix.prefill > 0) {
    step.sequences.push_back(
        {.tokens = mix.prefill, .context = mix.prefill_context, .adapter = mix.adapters > 0 ? 0 : -1});
  }
  add_decodes(&step, mix.decodes, {.context = mix.decode_context}, mix.adapters);
  return step;
}

}  // namespace

std::vector<HoldOutStep> holdout_steps(bool quick) {
  std::vector<Mix> mixes = {
      {.decodes = 1, .decode_context = 700},
      {.decodes = 5, .decode_context = 300},
      {.decodes = 12, .decode_context = 450, .adapters = 3},
      {.decodes = 28, .decode_context = 200, .adapters = 6},
      {.prefill = 300},
      {.prefill = 180, .prefill_context = 900, .adapters = 1},
      {.prefill = 96, .prefill_context = 300, .decodes = 5, .decode_context = 1400, .adapters = 2},
      {.prefill = 100, .decodes = 10, .decode_context = 350, .residency = Residency::cold},
  };
  if (!quick) {
    const std::vector<Mix> more = {
        {.decodes = 3, .decode_context = 2000, .residency = Residency::cold},
        {.decodes = 40, .decode_context = 500},
        {.decodes = 50, .decode_context = 900, .adapters = 12},
        {.prefill = 40, .prefill_context = 1500},
        {.prefill = 450, .prefill_context = 100},
        {.prefill = 480, .decodes = 20, .decode_context = 600},
        {.prefill = 64, .prefill_context = 64, .decodes = 2, .decode_context = 100, .adapters = 2},
        {.prefill = 250, .decodes = 6, .decode_context = 800, .adapters = 5, .residency = Residency::cold},
    };
    mixes.insert(mixes.end(), more.begin(), more.end());
  }
  std::vector<HoldOutStep> steps;
  steps.reserve(mixes.size());
  for (const Mix& mix : mixes) steps.push_back(step_of(mix));
  return steps;
}

BatchShape shape_of(const HoldOutStep& step) {
  BatchShape shape;
  shape.residency = step.residency;
  std::set<int64_t> adapters;
  for (const SequencePlan& s : step.sequences) {
    if (s.adapter >= 0) adapters.insert(s.adapter);
    if (s.want_logits) ++shape.head_sequences;
    if (s.tokens > 1) {
      shape.prefill_tokens += s.tokens;
      shape.prefill_work_x2 += s.tokens * (2 * s.context + s.tokens);
    } else {
      ++shape.decode_sequences;
      shape.decode_context += s.context;
    }
  }
  shape.adapters = static_cast<int64_t>(adapters.size());
  return shape;
}

std::string text_of(const HoldOutStep& step) {
  const BatchShape shape = shape_of(step);
  std::vector<std::string> words;
  if (shape.prefill_tokens > 0) {
    const int64_t context = (shape.prefill_work_x2 / shape.prefill_tokens - shape.prefill_tokens) / 2;
    words.push_back(fmt::format("prefill {} at {}", shape.prefill_tokens, context));
  }
  if (shape.decode_sequences > 0) {
    words.push_back(fmt::format("decode {} at {}", shape.decode_sequences, shape.decode_context));
  }
  if (shape.adapters > 0) words.push_back(fmt::format("adapters {}", shape.adapters));
  if (shape.residency == Residency::cold) words.emplace_back("cold");
  return fmt::format("{}", fmt::join(words, ", "));
}

int64_t padded(const Axis& axis, int64_t value) {
  const int64_t last = axis.points.back();
  const int64_t whole = value / last * last;
  const int64_t rest = value - whole;
  return rest == 0 ? whole : whole + *std::lower_bound(axis.points.begin(), axis.points.end(), rest);
}

double predicted_s(const HoldOutStep& step, const Profile& profile, const std::string& model) {
  const auto times = make_service_times(profile, {.model = model, .adapters = true}, profile.name);
  if (!times.ok())
    throw std::runtime_error("what was measured makes no profile:\n" + to_text(times.problems()));
  return static_cast<double>(times.value()->step(shape_of(step)).base_ps) * 1e-12;
}

Trial step_trial(const HoldOutStep& step, const StepInput& input) {
  const BatchShape shape = shape_of(step);
  const StepOptions options{
      .padded_tokens = padded(input.tokens, shape.prefill_tokens + shape.decode_sequences),
      .padded_heads = padded(input.heads, shape.head_sequences)};
  Trial trial;
  trial.run = [prepared = input.trials->prepare(step.sequences), options] { prepared->run(options); };
  return trial;
}

}  // namespace cotenant
