#pragma once
#include <cstdint>
#include <vector>

#include "sim/core/time.h"

namespace cotenant {

// Pieces of work on one device at the same time, each slowed by the others: processor sharing with equal
// shares. While k of them run, each advances at 1 / slowdown(k) of its pace alone, where
//   slowdown(k) = 1 + (k - 1) (slowdown(2) - 1).
// With slowdown(2) = 2 the device is shared by time: k pieces last k times as long.
//
// Only the number that runs counts, so all of them advance together: progress_ grows by time / slowdown(k),
// and a piece ends when it has grown by the piece's time alone. Progress is rounded down when k changes, by
// less than 1e-6 ps; ends are rounded up to whole nanoseconds. What starts and ends at one time may come in
// any order. One owner, one thread; times never go back.
class SharedDevice {
 public:
  static constexpr int64_t kOne = 1'000'000;  // slowdowns are in millionths
  // Requires: slowdown_of_two >= kOne.
  explicit SharedDevice(int64_t slowdown_of_two = 2 * kOne);

  // `id` is the caller's name for the piece. Requires: 0 < alone_ps.
  void start(Time now, uint32_t id, int64_t alone_ps);
  // When the first of them ends unless something starts before; kTimeMax where nothing runs.
  [[nodiscard]] Time next_end() const { return next_end_; }
  struct Ended {
    uint32_t id = 0;
    int64_t device_ps = 0;  // its share of the device's busy time: the time divided by the number that ran
  };
  // Takes away the piece that next_end() is about; of equals the one that started first. Requires: now >=
  // next_end().
  Ended finish(Time now);
  [[nodiscard]] size_t running() const { return pieces_.size(); }
  [[nodiscard]] int64_t slowdown(size_t running) const {
    return kOne + (static_cast<int64_t>(running) - 1) * (slowdown_of_two_ - kOne);
  }

 private:
  struct Piece {
    __int128 end = 0;           // in progress_
    __int128 device_start = 0;  // device_ps_ when it started
    uint32_t id = 0;
  };
  [[nodiscard]] size_t first_to_end() const;
  void advance(Time now);
  void find_next_end();

  int64_t slowdown_of_two_;
  Time since_;                 // what progress_ and device_ps_ are of
  __int128 progress_ = 0;      // of each piece, 1e-6 ps of its time alone
  __int128 device_ps_ = 0;     // busy time over the number that runs, summed
  std::vector<Piece> pieces_;  // in the order of their starts
  Time next_end_{kTimeMax};
};

}  // namespace cotenant
