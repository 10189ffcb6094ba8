#pragma once
#include <cstdint>
#include <vector>

#include "sim/ledger/observation.h"
#include "sim/scenario/world.h"
#include "sim/serving/work.h"

namespace cotenant {

// One piece of work of one replica: a load, a batch, or a block of rounds.
struct WorkSpan {
  uint32_t replica = 0;
  uint32_t instance = 0;  // of a scoring replica
  uint32_t pool = 0;
  TenantId owner;  // of a dedicated replica
  Work::Kind kind = Work::Kind::idle;
  Time from;
  Time until;
  int64_t rounds = 0;
  int64_t decode_sequences = 0;  // of each round, as all that follow
  int64_t prefill_tokens = 0;
  int64_t adapters = 0;
  int64_t rows = 0;
  Bytes bytes;  // loaded
};

// One KV cache on its way from the replica that computed its prompt to the decode pool: from when its bytes
// begin to move until they have arrived, the link's latency included. Work goes on beside it.
struct TransferSpan {
  uint32_t replica = 0;  // that sends
  uint32_t pool = 0;
  TenantId owner;  // of a dedicated replica
  TenantId tenant;
  uint32_t number = 0;  // of the request, counted per tenant
  Time from;
  Time until;
  Bytes bytes;
};

// What happened in [from, until) of a unit: spans of one instance of a replica do not overlap and are cut at
// the window's ends, as transfers are; requests that were there, with their own times.
struct Timeline {
  Time from;
  Time until;
  size_t limit = 0;  // of spans, transfers and requests together
  std::vector<WorkSpan> spans;
  std::vector<TransferSpan> transfers;
  std::vector<RequestObservation> requests;
  bool full = false;  // there was more than `limit`

  // Keeps the part of the span that lies in the window.
  void add(WorkSpan span);
  void add(TransferSpan span);
  void add(const RequestObservation& request, Time horizon);

 private:
  template <class Span>
  void add_part(Span span, std::vector<Span>& to);
  [[nodiscard]] bool has_room();
};

// Simulates the first replication of a tenancy entry's base variant and fills `timeline`, whose window and
// limit stand. Stops early when it is full.
void record_timeline(const World& world, size_t tenancy, Timeline& timeline);

}  // namespace cotenant
