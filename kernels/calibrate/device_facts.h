#pragma once
#include <cstdint>
#include <string>

#include "kernels/calibrate/sampler.h"
#include "kernels/profile/profile.h"

namespace cotenant {

// What /proc/cpuinfo, /proc/meminfo and sysfs say about this machine; unknown = 0 or "unknown". The measured
// rates are left 0.
DeviceFacts read_cpu_facts();

// "32768K", "96M", "1G" or plain bytes, as sysfs writes cache sizes; 0 if it is anything else.
int64_t cache_bytes(const std::string& text);

// Measured on one core: the best of repeated 768^3 sgemm, flop/s.
double measure_peak_flop(SampleClock* clock);
// Measured on one core: the median of repeated reads of 128 MiB, byte/s.
double measure_stream_bytes(SampleClock* clock);
// Measures both rates and keeps the higher of each and of what `facts` says already (0 = nothing): they are
// ceilings, and whoever shares the machine only lowers what is seen of them.
void raise_rates(DeviceFacts* facts, SampleClock* clock);

}  // namespace cotenant
