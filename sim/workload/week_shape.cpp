#include <numeric>

#include "sim/workload/load.h"

namespace cotenant {
namespace {

using Hours = std::array<double, 24>;
using Days = std::array<double, 7>;

// ServeGen client trace m-small, requests per hour of the day relative to the mean hour; two weeks.
constexpr Hours kEveningHours = {.84,  .71,  .73,  .68,  .71,  .66,  .68,  .86,  1.02, 1.05, 1.13, 1.09,
                                 1.06, 1.07, 1.06, 1.05, 1.09, 1.08, 1.01, 1.23, 1.46, 1.40, 1.27, 1.06};
// The same trace by day relative to the mean, days 1-7 and 8-14 averaged. That day 1 is a Monday is assumed.
constexpr Days kEveningDays = {.915, .92, 1.095, 1.065, 1.04, .985, .975};
// Assumed: two peaks with a lunch dip and little at night, as in the requests of the Alibaba LoRA trace.
constexpr Hours kOfficeHours = {.20,  .20,  .20,  .20,  .20,  .20,  .30, .60, 1.30, 2.10, 2.40, 2.00,
                                1.20, 1.60, 2.20, 2.40, 2.10, 1.50, .90, .70, .55,  .45,  .40,  .30};
// Philly job trace, percent of the jobs by weekday, Monday first.
constexpr Days kOfficeDays = {12.3, 15.2, 16.3, 18.4, 20.6, 8.7, 8.5};

WeekShape make_shape(const char* name, const Hours& hours, const Days& days) {
  WeekShape shape;
  shape.name = name;
  for (size_t h = 0; h < shape.factor.size(); ++h) shape.factor[h] = hours[h % 24] * days[h / 24];
  const double mean = std::accumulate(shape.factor.begin(), shape.factor.end(), 0.0) / 168;
  for (double& factor : shape.factor) factor /= mean;
  return shape;
}

const std::vector<WeekShape>& shapes() {
  static const std::vector<WeekShape> all = [] {
    Hours flat_hours{};
    Days flat_days{};
    flat_hours.fill(1);
    flat_days.fill(1);
    return std::vector<WeekShape>{make_shape("flat", flat_hours, flat_days),
                                  make_shape("office-hours", kOfficeHours, kOfficeDays),
                                  make_shape("evening", kEveningHours, kEveningDays)};
  }();
  return all;
}

}  // namespace

const WeekShape* find_week_shape(const std::string& name) {
  for (const WeekShape& shape : shapes()) {
    if (shape.name == name) return &shape;
  }
  return nullptr;
}

std::vector<std::string> week_shape_names() {
  std::vector<std::string> names;
  for (const WeekShape& shape : shapes()) names.push_back(shape.name);
  return names;
}

}  // namespace cotenant
