#include "sim/workload/conversations.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "sim/workload/arrival_stream.h"

using namespace cotenant;

namespace {

// Sources with sessions of about four turns, a minute apart, behind three system prompts of 500 tokens.
struct Demand {
  ArrivalLaw law{.rate_per_s = 0.02};
  LengthLaw prompt{{{1, Law::lognormal, 4, 1}}, 1, 500};
  LengthLaw output{{{1, Law::exponential, 100, 0}}, 1, 400};
  ConversationLaws laws{
      .prompt = &prompt,
      .output = &output,
      .system_prompt = SystemPrompt{.tokens = 500, .variants = 3},
      .sessions = SessionLaw{{{{1, Law::geometric, 4, 0}}}, {SpanLaw::Kind::exponential, kMinute, 1}},
      .context_limit = 4000,
      .tier = 1U << 20U};
  std::vector<Arrival> arrivals(uint32_t sources, Duration horizon) const {
    const Conversations conversations(laws);
    std::vector<DemandSource> all;
    for (uint32_t s = 0; s < sources; ++s) {
      all.push_back({7 + s, {}, &law, find_week_shape("office-hours"), &prompt, &output, &conversations});
    }
    ArrivalStream stream(all, {}, stream_key(3, 0), horizon);
    std::vector<Arrival> made;
    for (const Arrival* a = stream.peek(); a != nullptr; a = stream.peek()) {
      made.push_back(*a);
      stream.pop();
    }
    return made;
  }
};

using Sessions = std::map<uint64_t, std::vector<Arrival>>;
Sessions by_session(const std::vector<Arrival>& all) {
  Sessions sessions;
  for (const Arrival& a : all) sessions[a.content.rest].push_back(a);
  return sessions;
}

bool same(const Arrival& a, const Arrival& b) {
  return a.at == b.at && a.source == b.source && a.number == b.number && a.prompt == b.prompt &&
         a.output == b.output && a.content.rest == b.content.rest && a.content.opening == b.content.opening;
}

// Full blocks, from the front, that two requests have in common.
int64_t common_blocks(const Arrival& a, const Arrival& b) {
  int64_t n = 0;
  while (n < std::min(a.prompt, b.prompt) / 16 && a.content.id(n) == b.content.id(n)) ++n;
  return n;
}

}  // namespace

TEST_CASE(
    "a turn's prompt is everything so far and new tokens, and begins with the blocks of the turn before") {
  const Sessions sessions = by_session(Demand().arrivals(2, kDay * 2));
  size_t further = 0;
  for (const auto& [name, turns] : sessions) {
    for (size_t i = 1; i < turns.size(); ++i, ++further) {
      const int32_t so_far = turns[i - 1].prompt + turns[i - 1].output;
      REQUIRE(turns[i].at >= turns[i - 1].at);
      REQUIRE(turns[i].source == turns[0].source);
      REQUIRE(turns[i].prompt > so_far);
      for (int64_t b = 0; b < so_far / 16; ++b) REQUIRE(turns[i].content.id(b) == turns[0].content.id(b));
    }
  }
  REQUIRE(further > 5'000);
}

TEST_CASE(
    "two sessions have no more than their system prompt in common, and its words are whose they should be") {
  Demand demand;
  for (const auto across :
       {SystemPrompt::Across::tenant, SystemPrompt::Across::tier, SystemPrompt::Across::all}) {
    demand.laws.system_prompt->across = across;
    std::map<bool, std::set<int64_t>> common;  // by: of one tenant
    std::vector<Arrival> first;
    for (const auto& [name, turns] : by_session(demand.arrivals(2, kHour * 2))) first.push_back(turns[0]);
    for (size_t i = 0; i < first.size(); ++i) {
      for (size_t k = 0; k < i; ++k) {
        common[first[i].source == first[k].source].insert(common_blocks(first[i], first[k]));
      }
    }
    const std::set<int64_t> some = {0, 500 / 16};  // of three variants, not always the same
    REQUIRE(common[true] == some);
    REQUIRE(common[false] == (across == SystemPrompt::Across::tenant ? std::set<int64_t>{0} : some));
  }
  const auto opening = [&](uint32_t tier) {
    demand.laws.tier = tier;
    demand.laws.system_prompt->variants = 1;
    return demand.arrivals(1, kHour * 2).front().content.opening;
  };
  REQUIRE(opening(1) == opening(2));
  demand.laws.system_prompt->across = SystemPrompt::Across::tier;
  REQUIRE(opening(1) != opening(2));
}

TEST_CASE("another source leaves the sessions of the others bit-identical") {
  const Demand demand;
  const std::vector<Arrival> two = demand.arrivals(2, kDay * 2);
  std::vector<Arrival> three = demand.arrivals(3, kDay * 2);
  std::erase_if(three, [](const Arrival& a) { return a.source == 2; });
  REQUIRE(std::equal(two.begin(), two.end(), three.begin(), three.end(), same));
}

TEST_CASE("sessions cross midnight, numbered in order of time, and a longer horizon only adds to the end") {
  Demand demand;
  demand.laws.sessions->think = {SpanLaw::Kind::lognormal, kHour * 5, 1.5};
  const std::vector<Arrival> longer = demand.arrivals(2, kDay * 5);
  const std::vector<Arrival> shorter = demand.arrivals(2, kHour * 60);
  REQUIRE(shorter.size() > 1'000);
  REQUIRE(longer[shorter.size()].at >= Time{kHour.ns * 60});
  REQUIRE(std::equal(shorter.begin(), shorter.end(), longer.begin(), same));
  std::vector<uint32_t> numbers(2, 0);
  for (size_t i = 0; i < longer.size(); ++i) {
    REQUIRE(longer[i].number == numbers[longer[i].source]++);
    if (i > 0) REQUIRE(longer[i].at >= longer[i - 1].at);
  }
  size_t over_midnight = 0;
  for (const auto& [name, turns] : by_session(longer)) {
    over_midnight += turns.front().at.ns / kDay.ns != turns.back().at.ns / kDay.ns ? 1 : 0;
  }
  REQUIRE(over_midnight > 100);
}

TEST_CASE("a session ends before the turn that would not fit the context; its first turn is made anyway") {
  Demand demand;
  demand.laws.context_limit = 900;
  size_t cut = 0;
  for (const auto& [name, turns] : by_session(demand.arrivals(1, kDay))) {
    for (size_t i = 1; i < turns.size(); ++i) REQUIRE(turns[i].prompt + turns[i].output <= 900);
    cut += turns[0].prompt + turns[0].output > 900 ? 1 : 0;
  }
  REQUIRE(cut > 0);
}

TEST_CASE("the expected number of requests counts further turns, within five percent") {
  for (const int64_t context : {1'000, 4'000, 1'000'000}) {
    Demand demand;
    demand.laws.context_limit = context;
    const Conversations conversations(demand.laws);
    const DemandSource source{
        7, {}, &demand.law, find_week_shape("office-hours"), &demand.prompt, &demand.output, &conversations};
    const auto made = static_cast<double>(demand.arrivals(1, kDay * 14).size());
    REQUIRE(expected_arrivals(source, kDay * 14) == Approx(made).epsilon(0.05));
    REQUIRE(conversations.mean_turns() > (context == 1'000 ? 1.2 : 3));
  }
}

TEST_CASE(
    "without sessions a system prompt is put before every request, and nothing else changes in number") {
  Demand demand;
  demand.laws.sessions.reset();
  const std::vector<Arrival> with = demand.arrivals(1, kDay);
  demand.laws.system_prompt.reset();
  const std::vector<Arrival> without = demand.arrivals(1, kDay);
  REQUIRE(with.size() == without.size());
  for (size_t i = 0; i < with.size(); ++i) {
    REQUIRE(with[i].at == without[i].at);
    REQUIRE(with[i].prompt == without[i].prompt + 500);
    REQUIRE(with[i].output == without[i].output);
    REQUIRE(without[i].content.opening_blocks == 0);
  }
}

TEST_CASE("turns and think times have the means of their laws") {
  Demand demand;
  demand.laws.context_limit = INT64_MAX;
  for (const SpanLaw& think :
       {SpanLaw{SpanLaw::Kind::fixed, kMinute * 2, 1}, SpanLaw{SpanLaw::Kind::exponential, kMinute * 2, 1},
        SpanLaw{SpanLaw::Kind::lognormal, kMinute * 2, 0.5}}) {
    demand.laws.sessions->think = think;
    double turns = 0;
    double sum = 0;
    double squares = 0;
    double gaps = 0;
    const Sessions sessions = by_session(demand.arrivals(4, kDay * 10));
    for (const auto& [name, all] : sessions) {
      turns += static_cast<double>(all.size());
      for (size_t i = 1; i < all.size(); ++i, ++gaps) {
        const double gap = seconds(all[i].at - all[i - 1].at);
        sum += gap;
        squares += gap * gap;
      }
    }
    const double mean = sum / gaps;
    const double cv = std::sqrt(std::max(squares / gaps - mean * mean, 0.0)) / mean;
    REQUIRE(turns / static_cast<double>(sessions.size()) == Approx(4).epsilon(0.02));
    REQUIRE(mean == Approx(120).epsilon(0.02));
    const bool fixed = think.kind == SpanLaw::Kind::fixed;
    REQUIRE(cv == Approx(fixed ? 0 : think.cv).margin(0.02));
  }
}

TEST_CASE("sessions of any length stop at the horizon and at the largest number of turns") {
  Demand demand;
  demand.laws.context_limit = INT64_MAX;
  demand.prompt = demand.output = {{{1, Law::fixed, 1, 0}}, 1, 1};
  demand.laws.sessions = SessionLaw{{{{1, Law::fixed, 1e9, 0}}}, {SpanLaw::Kind::lognormal, kDay * 366, 100}};
  demand.law.rate_per_s = 1e-4;
  for (const Arrival& a : demand.arrivals(1, kDay)) REQUIRE(a.at < Time{kDay.ns});
  demand.laws.sessions->think = {SpanLaw::Kind::fixed, kMillisecond, 1};
  for (const auto& [name, turns] : by_session(demand.arrivals(1, kDay))) {
    REQUIRE(turns.size() <= Conversations::kMostTurns);
  }
}
