// Public: read_request_log, trace_of, to_string.
#include "sim/workload/request_log.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "sim/workload/csv_reader.h"

namespace cotenant {
namespace {

constexpr size_t kLineBytes = size_t{1} << 20;
constexpr size_t kNameBytes = 256;
constexpr int64_t kMostTokens = 100'000'000;
constexpr int64_t kProblemsListed = 20;

enum Part : size_t { kTenant, kPrompt, kOutput, kSent, kFirst, kLast, kStatus, kParts };

// One name that a part may have in a file.
struct Alias {
  Part part;
  std::string_view name;
  int64_t unit_ns = 0;  // of times
  bool engine = false;
};
constexpr int64_t kNs = 1;
constexpr int64_t kUs = 1'000;
constexpr int64_t kMs = 1'000'000;
constexpr int64_t kS = 1'000'000'000;
constexpr Alias kAliases[] = {
    {kTenant, "tenant"},
    {kTenant, "tenant_id"},
    {kPrompt, "prompt_tokens"},
    {kPrompt, "server_input_tokens"},
    {kPrompt, "input_tokens"},
    {kPrompt, "input_toks"},
    {kOutput, "output_tokens"},
    {kOutput, "output_toks"},
    {kSent, "sent_s", kS},
    {kSent, "sent_ms", kMs},
    {kSent, "sent_us", kUs},
    {kSent, "sent_ns", kNs},
    {kSent, "send_time_s", kS},
    {kSent, "send_time_ms", kMs},
    {kSent, "send_time_us", kUs},
    {kSent, "send_time_ns", kNs},
    {kSent, "queued_ts", kS, true},
    {kFirst, "first_token_s", kS},
    {kFirst, "first_token_ms", kMs},
    {kFirst, "first_token_us", kUs},
    {kFirst, "first_token_ns", kNs},
    {kFirst, "first_chunk_time_s", kS},
    {kFirst, "first_chunk_time_ms", kMs},
    {kFirst, "first_chunk_time_us", kUs},
    {kFirst, "first_chunk_time_ns", kNs},
    {kFirst, "first_token_ts", kS},
    {kLast, "last_token_s", kS},
    {kLast, "last_token_ms", kMs},
    {kLast, "last_token_us", kUs},
    {kLast, "last_token_ns", kNs},
    {kLast, "last_chunk_time_s", kS},
    {kLast, "last_chunk_time_ms", kMs},
    {kLast, "last_chunk_time_us", kUs},
    {kLast, "last_chunk_time_ns", kNs},
    {kLast, "last_token_ts", kS},
    {kStatus, "status"},
};
constexpr std::array<std::string_view, kParts> kPartNames = {
    "tenant", "prompt tokens", "output tokens", "time sent", "first token", "last token", "status"};

Diagnostic problem_at(const std::string& file, int64_t line, std::string message, std::string help = {}) {
  Diagnostic d;
  d.file = file;
  d.line = static_cast<int>(std::min<int64_t>(line, INT32_MAX));
  d.column = line > 0 ? 1 : 0;
  d.message = std::move(message);
  d.help = std::move(help);
  return d;
}

// Which name each part has in this file.
struct Layout {
  std::array<const Alias*, kParts> part{};
  [[nodiscard]] bool has(Part p) const { return part[p] != nullptr; }
};

std::string names_of(Part part) {
  std::vector<std::string_view> names;
  for (const Alias& alias : kAliases) {
    if (alias.part == part) names.push_back(alias.name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

// The first alias of each part that the file has.
Result<Layout> layout_of(const std::vector<std::string>& names, const std::string& file) {
  Layout layout;
  for (const Alias& alias : kAliases) {
    const bool there = std::find(names.begin(), names.end(), alias.name) != names.end();
    if (there && !layout.has(alias.part)) layout.part[alias.part] = &alias;
  }
  Diagnostics problems;
  for (const Part part : {kPrompt, kOutput, kSent}) {
    if (layout.has(part)) continue;
    problems.push_back(problem_at(file, 1, fmt::format("nothing says the {}", kPartNames[part]),
                                  fmt::format("name it one of {}", names_of(part))));
  }
  if (layout.has(kFirst) != layout.has(kLast)) {
    const Part missing = layout.has(kFirst) ? kLast : kFirst;
    problems.push_back(problem_at(file, 1, fmt::format("nothing says the {}", kPartNames[missing]),
                                  fmt::format("name it one of {}", names_of(missing))));
  }
  if (!problems.empty()) return problems;
  return layout;
}

// What stands before the first line end is read ahead, and handed out again.
class ReadAhead : public ByteSource {
 public:
  explicit ReadAhead(ByteSource& source) : source_(source) {
    std::vector<char> chunk(size_t{1} << 16);
    while (ahead_.find('\n') == std::string::npos && ahead_.size() < kLineBytes) {
      const size_t n = source_.read(chunk);
      if (n == 0) break;
      ahead_.append(chunk.data(), n);
    }
  }
  [[nodiscard]] std::string_view first_line() const {
    return std::string_view(ahead_).substr(0, ahead_.find('\n'));
  }
  size_t read(std::span<char> into) override {
    if (at_ == ahead_.size()) return source_.read(into);
    const size_t n = std::min(into.size(), ahead_.size() - at_);
    std::memcpy(into.data(), ahead_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  ByteSource& source_;
  std::string ahead_;
  size_t at_ = 0;
};

std::optional<int64_t> whole(std::string_view text) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "1782.0025" of a unit, in nanoseconds; digits below one are cut.
std::optional<int64_t> decimal_ns(std::string_view text, int64_t unit_ns) {
  const size_t point = text.find('.');
  const std::optional<int64_t> integer = whole(text.substr(0, point));
  if (!integer || *integer > INT64_MAX / unit_ns - 1) return std::nullopt;
  int64_t ns = *integer * unit_ns;
  if (point == std::string_view::npos) return ns;
  const std::string_view fraction = text.substr(point + 1);
  if (fraction.empty()) return std::nullopt;
  int64_t place = unit_ns;
  for (const char c : fraction) {
    if (c < '0' || c > '9') return std::nullopt;
    place /= 10;
    ns += (c - '0') * place;
  }
  return ns;
}

using Texts = std::array<std::string_view, kParts>;

// The rows of one file on their way into a log.
class LogReading {
 public:
  LogReading(const std::string& file, const Layout& layout) : file_(file), layout_(layout) {
    if (layout.part[kSent]->engine) log_.clock = RequestLog::Clock::engine;
  }

  // What is wrong with the row, and with which part of it.
  struct Wrong {
    Part part;
    std::string why;
  };
  std::optional<Wrong> add(const Texts& texts) {
    if (layout_.has(kStatus) && texts[kStatus] != "ok") return drop(LogDrop::failed);
    for (const Part part : {kPrompt, kOutput, kSent}) {
      if (texts[part].empty()) return drop(LogDrop::missing_value);
    }
    LoggedRequest row;
    for (const auto& [part, into] : {std::pair{kPrompt, &row.prompt}, std::pair{kOutput, &row.output}}) {
      const std::optional<int64_t> tokens = whole(texts[part]);
      if (!tokens || *tokens > kMostTokens) return Wrong{part, "is no whole number of tokens"};
      *into = static_cast<int32_t>(*tokens);
    }
    if (auto wrong = read_times(texts, row)) return wrong;
    if (row.prompt == 0 || row.output == 0) return drop(LogDrop::zero_tokens);
    if (texts[kTenant].size() > kNameBytes) return Wrong{kTenant, "is longer than 256 bytes"};
    const std::string name(layout_.has(kTenant) ? texts[kTenant] : "all");
    row.tenant = tenants_.try_emplace(name, static_cast<uint32_t>(tenants_.size())).first->second;
    log_.requests.push_back(row);
    return std::nullopt;
  }

  [[nodiscard]] std::string_view name(Part part) const { return layout_.part[part]->name; }
  [[nodiscard]] bool full() const { return log_.requests.size() > kLogRows; }
  void report(Diagnostic problem) {
    if (++malformed_ <= kProblemsListed) problems_.push_back(std::move(problem));
  }

  Result<RequestLog> finish() && {
    if (malformed_ > kProblemsListed)
      problems_.push_back(
          problem_at(file_, 0, fmt::format("{} more malformed rows", malformed_ - kProblemsListed)));
    if (full()) problems_.push_back(problem_at(file_, 0, fmt::format("more than {} usable rows", kLogRows)));
    if (!problems_.empty()) return std::move(problems_);
    if (log_.requests.empty()) {
      return problem_at(
          file_, 0,
          fmt::format("the log has no usable row: {} with {}, {} with {}, {} with {}", log_.dropped[0],
                      to_string(LogDrop::failed), log_.dropped[1], to_string(LogDrop::missing_value),
                      log_.dropped[2], to_string(LogDrop::zero_tokens)));
    }
    order();
    if (longest_ > kDay * 366) {
      return problem_at(file_, 0,
                        fmt::format("the times lie {:.0f} days apart", seconds(longest_) / seconds(kDay)),
                        "is the unit in the column's name right? s, ms, us or ns");
    }
    return std::move(log_);
  }

 private:
  std::optional<Wrong> drop(LogDrop reason) {
    ++log_.dropped[static_cast<size_t>(reason)];
    return std::nullopt;
  }

  std::optional<Wrong> read_times(const Texts& texts, LoggedRequest& row) const {
    const bool seen = layout_.has(kFirst) && !texts[kFirst].empty() && !texts[kLast].empty();
    for (const auto& [part, into] : {std::pair{kSent, &row.sent}, std::pair{kFirst, &row.first_token},
                                     std::pair{kLast, &row.last_token}}) {
      if (part != kSent && !seen) continue;
      const std::optional<int64_t> ns = decimal_ns(texts[part], layout_.part[part]->unit_ns);
      if (!ns) return Wrong{part, "is no plain decimal number, or too large a one"};
      into->ns = *ns;
    }
    if (!seen) return std::nullopt;
    if (row.first_token < row.sent) return Wrong{kFirst, "lies before the send"};
    if (row.last_token < row.first_token) return Wrong{kLast, "lies before the first token"};
    return std::nullopt;
  }

  // By time, which counts from the earliest send; tenants by name.
  void order() {
    std::vector<LoggedRequest>& rows = log_.requests;
    std::stable_sort(rows.begin(), rows.end(),
                     [](const LoggedRequest& a, const LoggedRequest& b) { return a.sent < b.sent; });
    std::vector<uint32_t> place(tenants_.size());
    for (const auto& [name, number] : tenants_) {
      place[number] = static_cast<uint32_t>(log_.tenants.size());
      log_.tenants.push_back(name);
    }
    const Duration start = rows.front().sent;
    for (LoggedRequest& row : rows) {
      row.tenant = place[row.tenant];
      row.sent = row.sent - start;
      longest_ = std::max(longest_, row.sent);
      if (!row.answered()) continue;
      row.first_token = row.first_token - start;
      row.last_token = row.last_token - start;
      longest_ = std::max(longest_, row.last_token);
    }
  }

  const std::string& file_;
  Layout layout_;
  RequestLog log_;
  std::map<std::string, uint32_t> tenants_;  // in the order of their first rows
  Diagnostics problems_;
  int64_t malformed_ = 0;
  Duration longest_{};
};

// ---- CSV ----

// The names of a header line, for a first look: the CSV reader reads it once more, strictly.
std::vector<std::string> header_names(std::string_view line) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  std::vector<std::string> names;
  while (true) {
    const size_t comma = line.find(',');
    std::string_view name = line.substr(0, comma);
    while (!name.empty() && (name.back() == '\r' || name.back() == '"')) name.remove_suffix(1);
    if (name.starts_with('"')) name.remove_prefix(1);
    names.emplace_back(name);
    if (comma == std::string_view::npos) return names;
    line.remove_prefix(comma + 1);
  }
}

Result<RequestLog> read_csv(ReadAhead& source, const std::string& file) {
  const Result<Layout> found = layout_of(header_names(source.first_line()), file);
  if (!found.ok()) return found.problems();
  const Layout& layout = found.value();
  std::vector<std::string_view> columns;
  std::array<size_t, kParts> at{};
  for (size_t part = 0; part < kParts; ++part) {
    at[part] = columns.size();
    if (layout.has(static_cast<Part>(part))) columns.push_back(layout.part[part]->name);
  }
  Result<CsvReader> opened = CsvReader::open(source, file, columns);
  if (!opened.ok()) return opened.problems();
  CsvReader csv = std::move(opened).value();
  LogReading reading(file, layout);
  while (!reading.full()) {
    const CsvReader::Row row = csv.next();
    if (row == CsvReader::Row::end) break;
    if (row == CsvReader::Row::malformed) {
      reading.report(csv.problem());
      continue;
    }
    Texts texts;
    for (size_t part = 0; part < kParts; ++part) {
      if (layout.has(static_cast<Part>(part))) texts[part] = csv.field(at[part]);
    }
    if (const auto wrong = reading.add(texts)) {
      reading.report(
          csv.problem_at(at[wrong->part], fmt::format("{} {}", reading.name(wrong->part), wrong->why), ""));
    }
  }
  return std::move(reading).finish();
}

// ---- JSON lines ----

// One flat JSON object: its keys and the texts of its values, without the quotes of strings.
class JsonLine {
 public:
  // Nothing if the line is anything else.
  static std::optional<JsonLine> parse(std::string_view line) {
    JsonLine object;
    object.rest_ = line;
    if (!object.take('{')) return std::nullopt;
    if (object.take('}')) return object.done();
    do {
      const std::optional<std::string_view> key = object.quoted();
      if (!key || !object.take(':')) return std::nullopt;
      const std::optional<std::string_view> value = object.value();
      if (!value || !object.values_.try_emplace(std::string(*key), *value).second) return std::nullopt;
    } while (object.take(','));
    if (!object.take('}')) return std::nullopt;
    return object.done();
  }
  [[nodiscard]] std::vector<std::string> keys() const {
    std::vector<std::string> names;
    for (const auto& entry : values_) names.push_back(entry.first);
    return names;
  }
  [[nodiscard]] std::string_view value_of(std::string_view key) const {
    const auto at = values_.find(key);
    return at == values_.end() ? std::string_view() : at->second;
  }

 private:
  std::optional<JsonLine> done() {
    skip();
    return rest_.empty() ? std::optional(std::move(*this)) : std::nullopt;
  }
  void skip() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r"), rest_.size())); }
  bool take(char c) {
    skip();
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::optional<std::string_view> quoted() {
    if (!take('"')) return std::nullopt;
    size_t end = 0;
    while (end < rest_.size() && rest_[end] != '"') end += rest_[end] == '\\' ? 2 : 1;
    if (end >= rest_.size()) return std::nullopt;
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }
  // A string, a number, or a word such as null, which is an empty value.
  std::optional<std::string_view> value() {
    skip();
    if (rest_.starts_with('"')) return quoted();
    const size_t end = std::min(rest_.find_first_of(",} \t\r"), rest_.size());
    const std::string_view text = rest_.substr(0, end);
    if (text.empty() || text.find_first_of("[{\"") != std::string_view::npos) return std::nullopt;
    rest_.remove_prefix(end);
    return text == "null" ? std::string_view() : text;
  }
  std::string_view rest_;
  std::map<std::string, std::string_view, std::less<>> values_;
};

Result<RequestLog> read_json_lines(ReadAhead& source, const std::string& file) {
  const std::optional<JsonLine> first = JsonLine::parse(source.first_line());
  if (!first) return problem_at(file, 1, "this is no flat JSON object of texts and numbers");
  const Result<Layout> layout = layout_of(first->keys(), file);
  if (!layout.ok()) return layout.problems();
  LogReading reading(file, layout.value());
  LineReader lines(source, kLineBytes);
  std::string line;
  while (!reading.full()) {
    line.clear();
    if (!lines.append_next(line)) break;
    if (line.find_first_not_of(" \t\r") == std::string::npos && !lines.cut()) continue;
    const std::optional<JsonLine> object = lines.cut() ? std::nullopt : JsonLine::parse(line);
    if (!object) {
      reading.report(problem_at(file, lines.number(), "this is no flat JSON object of texts and numbers"));
      continue;
    }
    Texts texts;
    for (size_t part = 0; part < kParts; ++part) {
      if (layout.value().has(static_cast<Part>(part)))
        texts[part] = object->value_of(layout.value().part[part]->name);
    }
    if (const auto wrong = reading.add(texts)) {
      reading.report(
          problem_at(file, lines.number(), fmt::format("{} {}", reading.name(wrong->part), wrong->why)));
    }
  }
  return std::move(reading).finish();
}

}  // namespace

std::string_view to_string(LogDrop reason) {
  constexpr std::array<std::string_view, kLogDrops> kNames = {"a status other than ok", "a missing value",
                                                              "zero tokens"};
  return kNames[static_cast<size_t>(reason)];
}

int64_t RequestLog::read() const {
  auto rows = static_cast<int64_t>(requests.size());
  for (const int64_t n : dropped) rows += n;
  return rows;
}

Result<RequestLog> read_request_log(ByteSource& source, const std::string& file) {
  ReadAhead ahead(source);
  const std::string_view line = ahead.first_line();
  const size_t begin = line.find_first_not_of(" \t\r");
  const bool json = begin != std::string_view::npos && line[begin] == '{';
  return json ? read_json_lines(ahead, file) : read_csv(ahead, file);
}

Result<TraceRows> trace_of(const RequestLog& log, const std::string& tenant, const std::string& file,
                           const TraceLimits& limits) {
  const auto at = std::find(log.tenants.begin(), log.tenants.end(), tenant);
  if (!tenant.empty() && at == log.tenants.end()) {
    return problem_at(file, 0, fmt::format("the log has no tenant '{}'", tenant),
                      fmt::format("it has {}", fmt::join(log.tenants, ", ")));
  }
  const auto only = static_cast<uint32_t>(at - log.tenants.begin());
  TraceReading reading(file, limits);
  reading.count_from(Duration{0});
  for (const LoggedRequest& r : log.requests) {
    if (!tenant.empty() && r.tenant != only) continue;
    reading.add_of(tenant.empty() ? r.tenant : TraceRequest::kAnyTenant, r.sent, r.prompt, r.output);
  }
  const auto dropped = [&](LogDrop reason) { return log.dropped[static_cast<size_t>(reason)]; };
  reading.drop(TraceDrop::zero_tokens, dropped(LogDrop::zero_tokens));
  reading.drop(TraceDrop::missing_value, dropped(LogDrop::missing_value) + dropped(LogDrop::failed));
  return reading.finish();
}

}  // namespace cotenant
