// Public: LineReader and CsvReader, as the header describes them. A row is first read whole, a line more as
// long as a quote is open, then split in place.
#include "sim/workload/csv_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace cotenant {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr size_t kExcerptBytes = 4096;  // a longer row is not shown

// Follows quotes over the lines of a row. Only a quote at the start of a field opens one.
struct QuoteScan {
  bool open = false;
  bool at_start = true;
  void feed(std::string_view text) {
    for (const char c : text) {
      if (c == '"' && (open || at_start)) {
        open = !open;
        at_start = true;  // "" within quotes closes and opens again
      } else {
        at_start = c == ',' && !open;
      }
    }
  }
};

}  // namespace

bool LineReader::fill() {
  begin_ = 0;
  end_ = source_.read(chunk_);
  return end_ > 0;
}

bool LineReader::append_next(std::string& line) {
  cut_ = false;
  if (begin_ == end_ && !fill()) return false;
  ++number_;
  while (begin_ < end_ || fill()) {
    const char* from = chunk_.data() + begin_;
    const size_t there = end_ - begin_;
    const auto* stop = static_cast<const char*>(std::memchr(from, '\n', there));
    const size_t length = stop != nullptr ? static_cast<size_t>(stop - from) : there;
    const size_t room = line_bytes_ - std::min(line_bytes_, line.size());
    line.append(from, std::min(length, room));
    cut_ = cut_ || length > room;
    begin_ += length + (stop != nullptr ? 1 : 0);
    if (stop != nullptr) break;
  }
  return true;
}

Result<CsvReader> CsvReader::open(ByteSource& source, const std::string& file,
                                  std::span<const std::string_view> columns, const CsvLimits& limits) {
  CsvReader reader(source, file, limits);
  Diagnostics problems = reader.read_header(columns);
  if (!problems.empty()) return problems;
  return reader;
}

Diagnostics CsvReader::read_header(std::span<const std::string_view> columns) {
  const std::string names = fmt::format("{}", fmt::join(columns, ","));
  const Row row = read_row();
  if (row == Row::end) {
    return {diagnostic(1, "the file is empty", fmt::format("begin with a header line: {}", names))};
  }
  if (row == Row::malformed) return {problem_};
  header_fields_ = fields_.size();
  return find_columns(columns);
}

Diagnostics CsvReader::find_columns(std::span<const std::string_view> columns) {
  Diagnostics problems;
  std::vector<std::string_view> names;
  names.reserve(fields_.size());
  for (const Field& field : fields_) names.push_back(field.text);
  for (const std::string_view column : columns) {
    const auto at = std::find(names.begin(), names.end(), column);
    wanted_.push_back(static_cast<size_t>(at - names.begin()));
    if (at == names.end()) {
      problems.push_back(diagnostic(1, fmt::format("there is no column {}", column),
                                    fmt::format("the columns are {}", fmt::join(names, ", "))));
    } else if (std::find(at + 1, names.end(), column) != names.end()) {
      const size_t second = static_cast<size_t>(std::find(at + 1, names.end(), column) - names.begin());
      problems.push_back(
          diagnostic(fields_[second].column, fmt::format("column {} is there twice", column), ""));
    }
  }
  return problems;
}

CsvReader::Row CsvReader::next() {
  const Row row = read_row();
  if (row != Row::fields || fields_.size() == header_fields_) return row;
  return malformed(1, fmt::format("{} fields where the header has {}", fields_.size(), header_fields_),
                   "a field with a comma in it needs double quotes");
}

// Reads the next row that is not blank and splits it.
CsvReader::Row CsvReader::read_row() {
  do {
    row_.clear();
    if (!lines_.append_next(row_)) return Row::end;
    line_ = lines_.number();
    if (line_ == 1 && row_.starts_with(kByteOrderMark)) row_.erase(0, kByteOrderMark.size());
  } while (row_.empty() || row_ == "\r");
  if (row_.find('"') != std::string::npos) read_quoted_lines();
  raw_excerpt_.assign(row_, 0, row_.size() <= kExcerptBytes ? row_.find('\n') : 0);
  if (lines_.cut() || row_.size() >= limits_.row_bytes) {
    return malformed(1, fmt::format("the row has {} bytes or more", limits_.row_bytes),
                     "check for a double quote that is never closed");
  }
  if (row_.ends_with('\r')) row_.pop_back();
  if (raw_excerpt_.ends_with('\r')) raw_excerpt_.pop_back();
  return split();
}

// Appends lines to the row while a quote is open.
void CsvReader::read_quoted_lines() {
  QuoteScan quotes;
  quotes.feed(row_);
  while (quotes.open && !lines_.cut() && row_.size() < limits_.row_bytes) {
    const size_t before = row_.size();
    row_.push_back('\n');
    if (!lines_.append_next(row_)) return;
    quotes.feed(std::string_view(row_).substr(before));
  }
}

CsvReader::Row CsvReader::split() {
  fields_.clear();
  size_t at = 0;
  while (true) {
    if (fields_.size() == limits_.columns) {
      return malformed(at + 1, fmt::format("more than {} columns", limits_.columns), "");
    }
    const bool good = at < row_.size() && row_[at] == '"' ? split_quoted(at) : split_plain(at);
    if (!good) return Row::malformed;
    if (at == row_.size()) return Row::fields;
    ++at;  // the comma
  }
}

// Takes a field that starts at `at` without a quote; leaves `at` at the comma or the end.
bool CsvReader::split_plain(size_t& at) {
  const size_t end = std::min(row_.find(',', at), row_.size());
  const std::string_view text(row_.data() + at, end - at);
  const size_t quote = text.find('"');
  if (quote != std::string_view::npos) {
    malformed(at + quote + 1, "a double quote inside a field that does not begin with one",
              "put the whole field in double quotes and write \"\" for a quote");
    return false;
  }
  fields_.push_back({text, at + 1});
  at = end;
  return true;
}

// Takes a field that starts at `at` with a quote, unquoted in place; leaves `at` at the comma or the end.
bool CsvReader::split_quoted(size_t& at) {
  const size_t start = at;
  size_t to = start;
  size_t from = start + 1;
  while (from < row_.size() && (row_[from] != '"' || (from + 1 < row_.size() && row_[from + 1] == '"'))) {
    from += row_[from] == '"' ? 2 : 1;
    row_[to++] = row_[from - 1];
  }
  if (from >= row_.size()) {
    malformed(start + 1, "this double quote is never closed", "");
    return false;
  }
  at = from + 1;
  if (at < row_.size() && row_[at] != ',') {
    malformed(at + 1, "text after the closing double quote", "write \"\" for a quote inside a quoted field");
    return false;
  }
  fields_.push_back({std::string_view(row_.data() + start, to - start), start + 1});
  return true;
}

CsvReader::Row CsvReader::malformed(size_t column, std::string message, std::string help) {
  problem_ = diagnostic(column, std::move(message), std::move(help));
  return Row::malformed;
}

Diagnostic CsvReader::problem_at(size_t i, std::string message, std::string help) const {
  const Field& field = fields_[wanted_[i]];
  Diagnostic problem = diagnostic(field.column, std::move(message), std::move(help));
  problem.width = static_cast<int>(std::max<size_t>(field.text.size(), 1));
  return problem;
}

Diagnostic CsvReader::diagnostic(size_t column, std::string message, std::string help) const {
  Diagnostic problem;
  problem.file = file_;
  problem.line = static_cast<int>(std::min<int64_t>(line_, INT32_MAX));
  problem.column = static_cast<int>(column);
  problem.message = std::move(message);
  problem.excerpt = raw_excerpt_;
  problem.help = std::move(help);
  return problem;
}

}  // namespace cotenant
