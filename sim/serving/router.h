#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "sim/core/philox.h"
#include "sim/serving/request.h"

namespace cotenant {

// Which replica of a pool gets a request.
// least_loaded: the one with the fewest requests, waiting or running; of equals the first.
// round_robin: each in its turn.
// two_choices: the less loaded of two drawn at random: Mitzenmacher, "The Power of Two Choices in Randomized
// Load
//   Balancing", 2001.
// prefix_affinity: the one that has most of the prompt's prefix in its cache, among those whose load is at
// most
//   `load_cap` times the mean (the bound of Mirrokni et al., "Consistent Hashing with Bounded Loads", 2018);
//   of equals the least loaded.
// tenant_sticky: always the same for a tenant.
enum class RouteRule : uint8_t { least_loaded, round_robin, two_choices, prefix_affinity, tenant_sticky };

// Loads of a row of slots; finds the least in constant time, of equals the first. A change costs O(log
// slots).
class LoadTree {
 public:
  void add();  // a slot without load, after the others
  // Requires: 0 <= load < 2^32. Nothing while the slot is closed.
  void set(size_t slot, int64_t load);
  // A closed slot is never the least while another one is open, and counts for nothing in total().
  void close(size_t slot);
  void open(size_t slot);  // without load
  [[nodiscard]] bool is_closed(size_t slot) const { return at(slot) == kClosed; }
  [[nodiscard]] int64_t at(size_t slot) const { return static_cast<int64_t>(nodes_[leaves_ + slot] >> 32U); }
  [[nodiscard]] size_t least() const { return static_cast<uint32_t>(nodes_[1]); }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] int64_t total() const { return total_; }

 private:
  static constexpr int64_t kClosed = UINT32_MAX;
  void put(size_t slot, int64_t load);
  size_t size_ = 0;
  size_t leaves_ = 0;  // a power of two
  // A complete binary tree, the root is 1: load and slot as one number, the less of a node's two children.
  std::vector<uint64_t> nodes_;
  int64_t total_ = 0;
};

// The replicas of one pool, numbered in the order in which they were added. One owner, one thread. Draws are
// keyed by the request, so that every tenancy model draws the same for it.
class Router {
 public:
  struct Rules {
    RouteRule rule = RouteRule::least_loaded;
    double load_cap = 1.25;
  };
  // entity_of: the number of a tenant in random streams, the same in every scenario that has it.
  Router(const Rules& rules, PhiloxKey key, std::function<uint32_t(TenantId)> entity_of);

  void add() {
    loads_.add();
    ++open_;
  }
  void set_load(size_t replica, int64_t requests) { loads_.set(replica, requests); }
  // A closed replica gets nothing; one that is opened again has no requests.
  void close(size_t replica);
  void open(size_t replica);
  [[nodiscard]] bool has_open() const { return open_ > 0; }
  // Requires: has_open().
  [[nodiscard]] size_t choose(const Request& request);

 private:
  static constexpr size_t kRemembered = size_t{1} << 16;  // blocks; a new one takes the place of an old one
  // Who got a block of 16 prompt tokens last.
  struct Memory {
    uint64_t block = 0;
    size_t replica = 0;
  };
  // `replica`, or the next one that is open.
  [[nodiscard]] size_t open_from(size_t replica) const;
  [[nodiscard]] size_t of_two(const Request& request) const;
  [[nodiscard]] size_t nearest(const Request& request) const;
  void remember(const Request& request, size_t replica);

  Rules rules_;
  PhiloxKey key_;
  std::function<uint32_t(TenantId)> entity_of_;
  LoadTree loads_;
  size_t open_ = 0;
  size_t next_ = 0;
  std::vector<Memory> memory_;  // prefix_affinity; by the low bits of the block's id
};

}  // namespace cotenant
