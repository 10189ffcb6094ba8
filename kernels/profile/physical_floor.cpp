// Public here: below_floor, floors_of, peaks_unknown.
#include "kernels/profile/physical_floor.h"

#include <fmt/format.h>

#include <algorithm>

namespace cotenant {
namespace {

constexpr double kCatalogTolerance = 1e-6;
constexpr double kMeasuredTolerance = 0.25;
constexpr double kFarBeyondCache = 4;  // times the last-level cache

// What bounds a point from below.
struct Floor {
  double arithmetic_s = 0;
  double transfer_s = 0;  // 0 where the bytes may come from a cache
  [[nodiscard]] double seconds() const { return std::max(arithmetic_s, transfer_s); }
};

Floor floor_of(const DeviceFacts& device, const KernelTimes& kernel, size_t point, Residency residency) {
  const auto time = [](double work, double rate) { return rate > 0 ? work / rate : 0; };
  const auto cache = static_cast<double>(device.last_level_cache_bytes);
  const double bytes = kernel.bytes[point];
  const bool from_memory = residency == Residency::cold || (cache > 0 && bytes >= kFarBeyondCache * cache);
  return {time(kernel.flop[point], device.peak_flop_per_s),
          from_memory ? time(bytes, device.stream_byte_per_s) : 0};
}

std::string why(const DeviceFacts& device, const KernelTimes& kernel, size_t point, const Floor& floor) {
  if (floor.arithmetic_s >= floor.transfer_s) {
    return fmt::format("{:.4g} flop at the peak of {:.4g} flop/s", kernel.flop[point],
                       device.peak_flop_per_s);
  }
  return fmt::format("{:.4g} bytes at the bandwidth of {:.4g} bytes/s", kernel.bytes[point],
                     device.stream_byte_per_s);
}

std::string place_of(const KernelTimes& kernel, size_t point, Residency residency) {
  std::string text;
  for (size_t a = kernel.axes.size(); a-- > 0;) {
    const std::vector<int64_t>& points = kernel.axes[a].points;
    text = fmt::format("{} {}{}{}", kernel.axes[a].name, points[point % points.size()],
                       text.empty() ? "" : ", ", text);
    point /= points.size();
  }
  return text + (residency == Residency::cold ? ", cold" : ", hot");
}

// Of a model; memory_copy and memory_scrub are not asked.
bool has_floors(const KernelTimes& kernel) {
  return kernel.name.find('/') != std::string::npos;
}

}  // namespace

Diagnostics below_floor(const Profile& profile, const KernelTimes& kernel, const std::string& file) {
  if (!has_floors(kernel)) return {};
  const bool measured = kernel.provenance == Provenance::measured;
  double worst = 1 - (measured ? kMeasuredTolerance : kCatalogTolerance);
  Diagnostics found;
  for (size_t p = 0; p < kernel.point_count(); ++p) {
    for (const Residency r : {Residency::hot, Residency::cold}) {
      const double took = kernel.time_s[KernelTimes::time_index(p, r, kMedian)];
      const Floor floor = floor_of(profile.device, kernel, p, r);
      if (took >= worst * floor.seconds()) continue;
      worst = took / floor.seconds();
      Diagnostic d;
      d.file = file;
      d.message = fmt::format("kernels/{}: the p50 at {} is {:.4g} s, below what {} can do: {:.4g} s for {}",
                              kernel.name, place_of(kernel, p, r), took, profile.device.name, floor.seconds(),
                              why(profile.device, kernel, p, floor));
      d.help = measured ? "measure the device again: cotenant calibrate"
                        : "times in another --unit at the import, or of another SKU or number of devices";
      found = {std::move(d)};
    }
  }
  return found;
}

FloorCount floors_of(const Profile& profile) {
  FloorCount count;
  for (const KernelTimes& kernel : profile.kernels) {
    if (!has_floors(kernel)) continue;
    for (size_t p = 0; p < kernel.point_count(); ++p) {
      for (const Residency r : {Residency::hot, Residency::cold}) {
        const double floor_s = floor_of(profile.device, kernel, p, r).seconds();
        if (floor_s <= 0) continue;
        const double share = 1 - kernel.time_s[KernelTimes::time_index(p, r, kMedian)] / floor_s;
        ++count.checked;
        count.below += share > kCatalogTolerance ? 1 : 0;
        count.worst_share = std::max(count.worst_share, share);
      }
    }
  }
  return count;
}

std::string peaks_unknown(const DeviceFacts& device) {
  const bool flop = device.peak_flop_per_s <= 0;
  const bool bytes = device.stream_byte_per_s <= 0;
  if (flop && bytes) return "arithmetic and bandwidth";
  return flop ? "arithmetic" : bytes ? "bandwidth" : "";
}

}  // namespace cotenant
