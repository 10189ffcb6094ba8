#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "sim/core/time.h"

namespace cotenant {

// Of one length, tokens or rows: a prompt and an output of it fit into 32 bits.
inline constexpr int64_t kLongestLength = 1'000'000'000;

// A law for lengths in tokens or rows. Draws are rounded to the nearest whole number and clamped to
// [minimum, maximum]; the clamp is part of the law, so the mean of the draws may differ from the law's mean.
enum class Law : uint8_t { fixed, exponential, lognormal, gamma, uniform, geometric };
struct LawPart {
  double weight = 1;  // parts of a mixture; weights are normalised
  Law law = Law::fixed;
  // fixed: a = value. exponential: a = mean. lognormal: a = mu, b = sigma of the log.
  // gamma: a = shape, b = scale. uniform: a = low, b = high. geometric: a = mean of 1, 2, 3, ...
  double a = 1;
  double b = 0;
};
struct LengthLaw {
  std::vector<LawPart> parts;
  int64_t minimum = 1;
  int64_t maximum = kLongestLength;
};

// How one tenant's requests arrive.
// poisson: independent arrivals. gamma: renewal process, gamma intervals with coefficient of variation `cv`.
// cox: Poisson whose rate is multiplied by a gamma factor of mean 1 and coefficient of variation `cv`, drawn
// anew every `window`. burst: Poisson at `rate` for `on`, silent for `off`, phase 0 at the tenant's start.
enum class ArrivalKind : uint8_t { poisson, gamma, cox, burst };
struct ArrivalLaw {
  ArrivalKind kind = ArrivalKind::poisson;
  double rate_per_s = 0;  // mean over a week of the shape (burst: while on)
  double cv = 1;
  Duration window = kMinute * 5;
  Duration on{};
  Duration off{};
};

// A span in which a tenant asks otherwise than its laws say.
struct DemandChange {
  Time from;
  Time until;
  double factor = 1;   // times as often
  int64_t prompt = 0;  // new tokens (rows) of each request; 0 = as drawn
  [[nodiscard]] bool holds(Time at) const { return at >= from && at < until; }
};

// The new tokens of a request that comes at `at`: as drawn, or as a change says. `changes` may be null.
int64_t prompt_under(const std::vector<DemandChange>* changes, Time at, int64_t drawn);

// Relative rate by hour of the week, hour 0 = Monday 00:00, mean 1. The scenario starts on a Monday at 00:00.
struct WeekShape {
  std::string name;  // "flat", "office-hours", "evening"
  std::array<double, 168> factor{};
};
// The named shapes; nullptr if there is no such name. Figures and their source: docs/scenario-reference.md.
const WeekShape* find_week_shape(const std::string& name);
std::vector<std::string> week_shape_names();

// A law for spans of time, never negative.
struct SpanLaw {
  enum class Kind : uint8_t { fixed, exponential, lognormal } kind = Kind::exponential;
  Duration mean{};
  double cv = 1;  // lognormal
};

// Every request of a tenant begins with one of `variants` fixed texts of `tokens` tokens.
struct SystemPrompt {
  int64_t tokens = 0;
  int64_t variants = 1;
  double zipf_s = 1;  // popularity exponent of the variants; 0 = equal shares
  // Whose words they are: each tenant's own, those of its tier, or the same for everybody (of two lengths,
  // the shorter is then the beginning of the longer).
  enum class Across : uint8_t { tenant, tier, all } across = Across::tenant;
};

// What requests are about: two that ask about one topic are near enough to each other that the answer to one
// does for the other.
struct TopicLaw {
  int64_t count = 0;
  double zipf_s = 1;  // popularity exponent of the topics; 0 = equal shares
  double common = 0;  // share of the requests whose topic is one that all tenants ask about, not its own
};

// An arrival of the arrival law begins a session; each further turn brings everything so far and the new
// tokens of the user.
struct SessionLaw {
  LengthLaw turns;
  SpanLaw think;  // from the arrival of one turn to that of the next
};

// Rows of a trace, dealt to the tenants of one tier by a seeded Zipf law of their rank; a request log without
// `tenant` says itself whose each row is.
struct TraceLoad {
  std::string file;                  // as written: relative to the scenario, or "data:PATH"
  std::string format = "azure-llm";  // TIMESTAMP, ContextTokens, GeneratedTokens
  std::string tenant;                // request logs: the rows of this one alone; "" = of all
  double zipf_s = 1;                 // popularity exponent; 0 = equal shares
  // Under which the rows that it reads are kept: what two loads of equal name read is the same.
  [[nodiscard]] std::string rows_name() const { return tenant.empty() ? file : file + " of " + tenant; }
};

}  // namespace cotenant
