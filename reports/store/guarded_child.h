#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace cotenant {

struct GuardLimits {
  std::chrono::milliseconds wall{5'000};
  size_t memory_bytes = size_t{512} << 20U;  // beyond what the process has mapped already
};

// For reading a file of `file_bytes` that declares `value_bytes` of values: what reading so much takes on top
// of the defaults (twice the file, since HDF5 keeps a copy; 16 bytes for each byte of value, since a short
// text is 8 bytes in the file and up to 100 in a row; 10 MB of values a second), and never more than
// `machine_bytes` or ten minutes.
GuardLimits limits_of_reading(size_t file_bytes, size_t value_bytes, size_t machine_bytes);

// Memory of this machine.
size_t machine_memory_bytes();

struct GuardedAnswer {
  bool alive = false;              // false: it crashed, hung or ran out of memory
  std::string death;               // how, when not alive: "signal 11", "no answer within 5 s"
  std::vector<std::string> lines;  // what `work` returned
};

// Runs `work` in a forked child with limits and without any inherited file, and returns what it said. For
// input that may crash the library that reads it. Call from the main thread before others are started: the
// child has only the calling thread. Throws std::system_error when no child can be made.
GuardedAnswer run_guarded(const std::function<std::vector<std::string>()>& work, const GuardLimits& limits);

}  // namespace cotenant
