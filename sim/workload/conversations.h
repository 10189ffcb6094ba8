#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "sim/core/philox.h"
#include "sim/core/sampling.h"
#include "sim/workload/arrival.h"
#include "sim/workload/load.h"

namespace cotenant {

struct ConversationLaws {
  const LengthLaw* prompt = nullptr;  // new tokens of the user in a turn; both laws outlive the conversations
  const LengthLaw* output = nullptr;
  std::optional<SystemPrompt> system_prompt;
  std::optional<SessionLaw> sessions;  // none: every session has one turn
  int64_t context_limit = INT64_MAX;   // the smallest of the models that serve the tier
  uint32_t tier = 0;                   // names the tier's texts
};

// How the requests of one tier's tenants hang together: what they begin with, and which follow one another.
// A turn's prompt is the system prompt, all earlier prompts and outputs of the session, and the new tokens.
// A session ends before the turn that would not fit the context, and at kMostTurns. Turns are an open loop:
// a turn arrives a think time after the *arrival* of the one before, whatever the platform did with that one,
// so that every tenancy model and variant sees the same arrivals (common random numbers). Think times should
// therefore hold the time to read *and* to be answered. Immutable; any thread may use it.
class Conversations {
 public:
  static constexpr int64_t kMostTurns = 10'000;
  explicit Conversations(const ConversationLaws& laws);

  // `key`: drawn for this session; all its draws and the names of its blocks come from it, so that no session
  // depends on another one, nor on the horizon.
  struct Start {
    Time at;
    Time end;  // turns at this time or later are left out
    uint32_t source = 0;
    uint32_t entity = 0;
    uint64_t key = 0;
    const std::vector<DemandChange>* changes = nullptr;  // of the prompts; null = none
  };
  void append_session(const Start& start, std::vector<Arrival>& out) const;

  // Turns of a session that no horizon ends, the context limit included: the mean of up to 1,024 sessions.
  [[nodiscard]] double mean_turns() const { return mean_turns_; }

 private:
  [[nodiscard]] BlockContent content(const Start& start, PhiloxKey key) const;
  ConversationLaws laws_;
  int64_t opening_tokens_ = 0;
  ZipfTable variants_;
  double mean_turns_ = 1;
};

}  // namespace cotenant
