// Public: TraceReading, to_string.
#include "sim/workload/request_trace.h"

#include <fmt/format.h>

#include <algorithm>

namespace cotenant {
namespace {

constexpr int64_t kProblemsListed = 20;
constexpr int64_t kBlockTokens = 16;

}  // namespace

std::string_view to_string(TraceDrop reason) {
  constexpr std::array<std::string_view, kTraceDrops> kNames = {
      "a missing value", "zero tokens", "more tokens than the context limit", "an arrival after the horizon"};
  return kNames[static_cast<size_t>(reason)];
}

void TraceReading::report(Diagnostic problem) {
  if (++malformed_ <= kProblemsListed) problems_.push_back(std::move(problem));
}

void TraceReading::add(Duration at, int64_t prompt_tokens, int64_t output_tokens,
                       const std::vector<uint64_t>& keys) {
  if (prompt_tokens == 0 || output_tokens == 0) return drop(TraceDrop::zero_tokens);
  if (prompt_tokens > limits_.context_tokens || output_tokens > limits_.context_tokens - prompt_tokens) {
    return drop(TraceDrop::over_context);
  }
  if (at < latest_) ++trace_.reordered;
  latest_ = std::max(latest_, at);
  const size_t kept = std::min(keys.size(), static_cast<size_t>(prompt_tokens / kBlockTokens));
  trace_.rows.push_back({.at = at,
                         .prompt_tokens = prompt_tokens,
                         .output_tokens = output_tokens,
                         .first_key = trace_.keys.size(),
                         .keys = static_cast<uint32_t>(kept)});
  trace_.keys.insert(trace_.keys.end(), keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(kept));
}

void TraceReading::add_of(uint32_t tenant, Duration at, int64_t prompt_tokens, int64_t output_tokens) {
  const size_t before = trace_.rows.size();
  add(at, prompt_tokens, output_tokens);
  if (trace_.rows.size() > before) trace_.rows.back().tenant = tenant;
}

// Sorts, makes times relative to the earliest row and cuts at the horizon.
void TraceReading::order_rows() {
  std::vector<TraceRequest>& rows = trace_.rows;
  std::stable_sort(rows.begin(), rows.end(),
                   [](const TraceRequest& a, const TraceRequest& b) { return a.at < b.at; });
  if (rows.empty()) return;
  const Duration first = start_.value_or(rows.front().at);
  for (TraceRequest& row : rows) row.at = row.at - first;
  const auto end = std::partition_point(rows.begin(), rows.end(),
                                        [&](const TraceRequest& row) { return row.at < limits_.horizon; });
  trace_.dropped[static_cast<size_t>(TraceDrop::after_horizon)] = rows.end() - end;
  rows.erase(end, rows.end());
}

Diagnostic TraceReading::no_usable_row() const {
  std::string counts;
  for (size_t i = 0; i < kTraceDrops; ++i) {
    if (trace_.dropped[i] == 0) continue;
    counts += fmt::format("{}{} with {}", counts.empty() ? ": " : ", ", trace_.dropped[i],
                          to_string(static_cast<TraceDrop>(i)));
  }
  Diagnostic problem;
  problem.file = file_;
  problem.message = fmt::format("the trace has no usable row{}", counts);
  return problem;
}

Result<TraceRows> TraceReading::finish() {
  if (full()) {
    Diagnostic problem;
    problem.file = file_;
    problem.message = fmt::format("more than {} usable rows", limits_.rows);
    report(std::move(problem));
  }
  if (malformed_ > kProblemsListed) {
    Diagnostic more;
    more.file = file_;
    more.message = fmt::format("{} more malformed rows", malformed_ - kProblemsListed);
    problems_.push_back(more);
  }
  if (!problems_.empty()) return std::move(problems_);
  order_rows();
  if (trace_.rows.empty()) return no_usable_row();
  trace_.read = static_cast<int64_t>(trace_.rows.size());
  for (const int64_t n : trace_.dropped) trace_.read += n;
  return std::move(trace_);
}

}  // namespace cotenant
