#include <catch2/catch.hpp>

#include "reports/tables/request_time.h"

using namespace cotenant;

namespace {

// Sent at 1000, queued at 1010, loads for 30, runs from 1050, first token at 1100, preempted for 70 after it,
// last token at 1300; tokens reach the client 5 later.
RequestRow served() {
  RequestRow row;
  row.tenant = 1;
  row.arrival_ns = 1000;
  row.prompt_tokens = 100;
  row.output_tokens = 10;
  row.ttft_ns = 105;
  row.e2e_ns = 305;
  row.replica = 0;
  row.outcome = "served";
  row.queued_ns = 1010;
  row.client_in_ns = 8;
  row.client_out_ns = 5;
  row.admitted_ns = 1050;
  row.load_ns = 30;
  row.lost_ns = 70;
  row.preemptions = 1;
  return row;
}

RequestRow other(int64_t tenant, int64_t queued, int64_t admitted, int64_t first, int64_t finished) {
  RequestRow row = served();
  row.tenant = tenant;
  row.arrival_ns = row.queued_ns = queued;
  row.admitted_ns = admitted;
  row.client_in_ns = row.client_out_ns = row.load_ns = row.lost_ns = 0;
  row.ttft_ns = first - queued;
  row.e2e_ns = finished - queued;
  row.device_ns = finished - admitted;
  row.device_before_first_ns = first - admitted;
  return row;
}

}  // namespace

TEST_CASE("the parts of a served request's time sum to its end to end time") {
  const RequestTime t = time_of(served(), 10'000);
  REQUIRE(t.client == 13);
  REQUIRE(t.held == 2);
  REQUIRE(t.load == 30);
  REQUIRE(t.queue == 10);
  REQUIRE(t.prefill == 50);
  REQUIRE(t.decode == 130);
  REQUIRE(t.lost == 70);
  REQUIRE(t.total() == 305);
}

TEST_CASE("an answer of the response cache spent all its time on its way and in the look-up") {
  RequestRow row = served();
  row.queued_ns = row.admitted_ns = row.replica = -1;
  row.load_ns = row.lost_ns = row.preemptions = 0;
  row.ttft_ns = row.e2e_ns = 40;
  const RequestTime t = time_of(row, 10'000);
  REQUIRE(t.client == 13);
  REQUIRE(t.held == 27);
  REQUIRE(t.total() == 40);
  RunResults results;
  results.requests = {row};
  REQUIRE(request_text(results, 1).find("answered by the response cache") != std::string::npos);
}

TEST_CASE("a request that moved to a decode pool sums too, with its transfer and the wait there") {
  RequestRow row = served();
  row.prefill_replica = 3;
  row.transfer_ns = 20;
  row.decode_wait_ns = 11;
  const RequestTime t = time_of(row, 10'000);
  REQUIRE(t.transfer == 20);
  REQUIRE(t.decode_wait == 11);
  REQUIRE(t.decode == 99);
  REQUIRE(t.total() == 305);
}

TEST_CASE("ahead of a request that moves on are those that computed prompts where its own was computed") {
  RunResults results;
  results.horizon_ns = 10'000;
  results.units = {{.unit = 0, .tenancy = "apart"}};
  RequestRow own = served();
  own.prefill_replica = 3;
  RequestRow before = other(2, 900, 960, 1060, 1160);  // half of its prefill in the wait, no decode
  before.prefill_replica = 3;
  before.replica = 7;
  RequestRow elsewhere = before;
  elsewhere.prefill_replica = 4;
  elsewhere.replica = 0;
  results.requests = {own, before, elsewhere};
  const std::vector<RequestsAhead> ahead = requests_ahead(results, 0);
  REQUIRE(ahead.size() == 1);
  REQUIRE(ahead[0].requests == 1);
  REQUIRE(ahead[0].device_ns == 50);
}

TEST_CASE("an unfinished request's parts sum to its time until the horizon, at any horizon") {
  for (int64_t horizon = 1001; horizon < 1310; ++horizon) {
    RequestRow row = served();
    row.outcome = "in_flight";
    row.e2e_ns = -1;
    if (horizon < 1105) row.ttft_ns = -1;
    if (horizon < 1101) row.lost_ns = 0;
    if (horizon > 1100) row.lost_ns = std::min<int64_t>(70, horizon - 1100);
    if (horizon < 1050) row.admitted_ns = -1;
    if (horizon < 1040) row.load_ns = 0;
    if (horizon < 1010) row.queued_ns = -1;
    const RequestTime t = time_of(row, horizon);
    INFO(horizon);
    REQUIRE(t.total() == horizon - 1000);
    REQUIRE(std::min({t.client, t.held, t.queue, t.load, t.prefill, t.decode, t.lost}) >= 0);
  }
}

TEST_CASE(
    "ahead of a request are those on its replica that were admitted before it and ran while it waited") {
  RunResults results;
  results.horizon_ns = 10'000;
  results.units = {{.unit = 0, .tenancy = "shared"}};
  RequestRow elsewhere = other(5, 900, 950, 1050, 1100);
  elsewhere.replica = 1;
  RequestRow other_unit = other(5, 900, 950, 1050, 1100);
  other_unit.unit = 1;
  results.requests = {served(),
                      other(2, 900, 960, 1060, 1160),    // half of its prefill and 90 of its 200 in the wait
                      other(3, 1000, 1020, 1040, 1050),  // all of it
                      other(3, 1001, 1050, 1100, 1300),  // same step, queued before
                      other(4, 1020, 1050, 1100, 1300),  // same step, queued after
                      other(4, 1000, 1060, 1100, 1300),  // admitted later
                      other(6, 100, 110, 500, 1010),     // gone
                      elsewhere,
                      other_unit};
  const std::vector<RequestsAhead> ahead = requests_ahead(results, 0);
  REQUIRE(ahead.size() == 2);
  REQUIRE(ahead[0].tenant == 2);
  REQUIRE(ahead[0].requests == 1);
  REQUIRE(ahead[0].prompt_tokens == 50);
  REQUIRE(ahead[0].device_ns == 90);
  REQUIRE(ahead[1].tenant == 3);
  REQUIRE(ahead[1].requests == 2);
  REQUIRE(ahead[1].prompt_tokens == 200);
  REQUIRE(ahead[1].device_ns == 30 + 50);
}

TEST_CASE("a list of a sample says so with its share, and hostile names do no harm") {
  RunResults results;
  results.horizon_ns = 10'000;
  results.units = {{.unit = 0, .tenancy = "shared\x1b[2J"}};
  results.units[0].arrived = 4;
  results.requests = {served(), other(2, 900, 960, 1060, 1160)};
  const std::string text = request_text(results, 1);
  INFO(text);
  REQUIRE(text.find("Of recorded requests only: 2 of 4 in this unit, 50.0 %") != std::string::npos);
  REQUIRE(text.find('\x1b') == std::string::npos);
  results.units[0].arrived = 2;
  REQUIRE(request_text(results, 1).find("recorded requests only") == std::string::npos);
  REQUIRE(slowest_text(results, 5).find("decode") != std::string::npos);
  REQUIRE(text.find("KV transfer") == std::string::npos);
  results.requests[0].prefill_replica = 3;
  REQUIRE(request_text(results, 1).find("KV transfer") != std::string::npos);
}
