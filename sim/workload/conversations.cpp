// Public here: Conversations.
#include "sim/workload/conversations.h"

#include <algorithm>
#include <cmath>

#include "sim/core/math.h"
#include "sim/workload/arrival_stream.h"

namespace cotenant {
namespace {

constexpr int64_t kBlockTokens = 16;
constexpr Duration kLongest{kDay.ns * 36'525};  // think time, and horizon: 100 years

// For the mean number of turns.
constexpr size_t kSessionsSampled = 1024;
constexpr size_t kTurnsSampled = 100'000;

// The words of a tenant, of a tier and of everybody never meet.
constexpr uint64_t kTenantText = 0x7465'6e61'6e74;
constexpr uint64_t kTierText = 0x7469'6572;
constexpr uint64_t kCommonText = 0x616c'6c;

Duration draw_span(RandomStream& stream, const SpanLaw& law) {
  const auto mean = static_cast<double>(law.mean.ns);
  double drawn = mean;
  if (law.kind == SpanLaw::Kind::exponential) drawn = exponential(stream, mean);
  if (law.kind == SpanLaw::Kind::lognormal) {
    const double variance = log_of(1 + law.cv * law.cv);
    drawn = lognormal(stream, log_of(mean) - variance / 2, std::sqrt(variance));
  }
  return {static_cast<int64_t>(std::min(drawn, static_cast<double>(kLongest.ns)))};
}

}  // namespace

Conversations::Conversations(const ConversationLaws& laws)
    : laws_(laws),
      opening_tokens_(laws.system_prompt ? laws.system_prompt->tokens : 0),
      variants_(laws.system_prompt ? static_cast<size_t>(laws.system_prompt->variants) : 1,
                laws.system_prompt ? laws.system_prompt->zipf_s : 0) {
  if (!laws_.sessions) return;
  std::vector<Arrival> turns;
  RandomStream keys(stream_key(0, 0), 0, Purpose::session);
  size_t sessions = 0;
  for (; sessions < kSessionsSampled && turns.size() < kTurnsSampled; ++sessions) {
    append_session({.at = {}, .end = Time{kLongest.ns}, .key = keys.bits()}, turns);
  }
  mean_turns_ = static_cast<double>(turns.size()) / static_cast<double>(sessions);
}

BlockContent Conversations::content(const Start& start, PhiloxKey key) const {
  BlockContent content;
  content.rest = std::max<uint64_t>(start.key, 1);
  if (!laws_.system_prompt) return content;
  RandomStream stream(key, start.entity, Purpose::system_prompt);
  uint64_t words = kCommonText;
  if (laws_.system_prompt->across == SystemPrompt::Across::tier) words = mix64(kTierText, laws_.tier);
  if (laws_.system_prompt->across == SystemPrompt::Across::tenant) words = mix64(kTenantText, start.entity);
  content.opening = mix64(words, variants_.sample(stream));
  content.opening_blocks = static_cast<uint32_t>(opening_tokens_ / kBlockTokens);
  return content;
}

void Conversations::append_session(const Start& start, std::vector<Arrival>& out) const {
  const PhiloxKey key = {static_cast<uint32_t>(start.key >> 32U), static_cast<uint32_t>(start.key)};
  RandomStream prompts(key, start.entity, Purpose::prompt_length);
  RandomStream outputs(key, start.entity, Purpose::output_length);
  RandomStream session(key, start.entity, Purpose::session);
  const BlockContent content = this->content(start, key);
  const int64_t turns =
      laws_.sessions ? std::min(draw_length(session, laws_.sessions->turns), kMostTurns) : 1;
  const SpanLaw think = laws_.sessions ? laws_.sessions->think : SpanLaw{};
  int64_t known = opening_tokens_;
  Time at = start.at;
  for (int64_t turn = 0; turn < turns && at < start.end; ++turn) {
    const int64_t prompt = known + prompt_under(start.changes, at, draw_length(prompts, *laws_.prompt));
    const int64_t output = draw_length(outputs, *laws_.output);
    if (turn > 0 && prompt + output > laws_.context_limit) return;
    out.push_back({at, start.source, 0, static_cast<int32_t>(prompt), static_cast<int32_t>(output), content});
    known = prompt + output;
    if (turn + 1 < turns) at = at + draw_span(session, think);
  }
}

}  // namespace cotenant
