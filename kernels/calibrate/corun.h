#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/profile/profile.h"

namespace cotenant {

// How two kernels share this machine.
enum class CoRunMode : uint8_t { two_cores, one_core };
std::string_view to_word(CoRunMode mode);  // "two cores", "one core"

struct CoRunPair {
  std::string a;  // a point: "decoder-25m/linear/tokens:64"
  std::string b;
  CoRunMode mode = CoRunMode::two_cores;
};

// What pairs are made of, one for each way to lean on the machine: arithmetic, a stream out of memory, random
// reads, and a copy. Each call lasts some scheduler slices.
inline constexpr std::string_view kCoRunCompute = "decoder-25m/linear/tokens:64";
inline constexpr std::string_view kCoRunStream = "decoder-25m/attention_decode/sequences:4/context:16384";
inline constexpr std::string_view kCoRunRandom = "recommender-small/score/rows:256";
inline constexpr std::string_view kCoRunCopy = "memory_copy/bytes:67108864";

// Quick mode: six pairs. Full mode: each of the four with each, in both modes. `cores`: that this process may
// use; with one there are no pairs on two.
std::vector<CoRunPair> corun_pairs(bool quick, int64_t cores);

// What the machine did while a kernel of ours ran.
struct HostUse {
  double wall_s = 0;         // of the windows in which one kernel ran alone
  double busy_s = 0;         // CPU time of everybody in them, all cores, what a hypervisor took included
  double ours_s = 0;         // of this process in them
  double pinned_wall_s = 0;  // of pinned threads that had a core to themselves
  double pinned_cpu_s = 0;   // CPU time of the same
  HostUse& operator+=(const HostUse& other);
};
// Others took more than a tenth of a core, or pinned threads waited for more than a tenth of their CPU time.
inline constexpr double kOthersBound = 0.10;
inline constexpr double kStretchBound = 1.1;
bool host_busy(const HostUse& use);
// Twice both bounds: beyond doubt even after a short window, in which the kernel's ticks of 10 ms are coarse.
bool plainly_busy(const HostUse& use);

// Seconds of single calls.
struct CoRunSamples {
  std::vector<double> a_alone, a_together, b_alone, b_together;
};
inline constexpr size_t kLeastCoRunSamples = 3;
// Time together over time alone, median and p95. A busy host, or fewer than kLeastCoRunSamples of anything,
// gives no slowdown and says so.
CoRun compared(const CoRunPair& pair, const CoRunSamples& samples, const HostUse& use);

// A result as a unit of the calibration, and back: nothing unless every number is in its range.
std::string unit_id(const CoRunPair& pair);
std::vector<double> values_of(const CoRun& result);
std::optional<CoRun> corun_of(const CoRunPair& pair, std::span<const double> values);

// CPU time that all processes and a hypervisor took since start-up, all cores together, from the text of
// /proc/stat; nothing if it has no such line. `ticks_per_s`: of its unit.
std::optional<double> busy_cpu_s(const std::string& proc_stat, double ticks_per_s);

}  // namespace cotenant
