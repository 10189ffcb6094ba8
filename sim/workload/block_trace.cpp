// Public: read_block_trace.
#include "sim/workload/block_trace.h"

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <optional>

#include "sim/core/hash.h"
#include "sim/workload/csv_reader.h"

namespace cotenant {
namespace {

constexpr size_t kLineBytes = size_t{1} << 20;
constexpr int64_t kMostTokens = 100'000'000;
constexpr size_t kMostKeys = size_t{1} << 28;  // of a file: 2 GiB
constexpr int64_t kMooncakeBlocks = 512 / 16;  // of 16 tokens in one of Mooncake's

struct Names {
  std::string_view at, prompt, output, ids;
  int64_t at_ns = 1;  // unit of `at`
  int64_t split = 1;  // our blocks in one of theirs
};
constexpr Names kBlocks = {"arrival_time_ns", "input_toks", "output_toks", "block_ids", 1, 1};
constexpr Names kMooncake = {"timestamp", "input_length", "output_length",
                             "hash_ids",  1'000'000,      kMooncakeBlocks};

// One flat object: each key with its numbers; a single number is a list of one. Nothing if the line is
// anything else.
class FlatObject {
 public:
  static std::optional<FlatObject> parse(std::string_view line) {
    FlatObject object;
    Cursor in{line};
    if (!in.take('{')) return std::nullopt;
    while (!in.take('}')) {
      const std::optional<std::string_view> key = in.word();
      if (!key || !in.take(':') || !object.values(in, std::string(*key))) return std::nullopt;
      if (!in.take(',') && !in.at('}')) return std::nullopt;
    }
    return in.done() ? std::optional(std::move(object)) : std::nullopt;
  }
  // Nothing if the key is missing or a list.
  [[nodiscard]] std::optional<int64_t> number(std::string_view key) const {
    const auto at = lists_.find(key);
    return at == lists_.end() || at->second.size() != 1 ? std::nullopt : std::optional(at->second.front());
  }
  [[nodiscard]] const std::vector<int64_t>* list(std::string_view key) const {
    const auto at = lists_.find(key);
    return at == lists_.end() ? nullptr : &at->second;
  }

 private:
  struct Cursor {
    std::string_view text;
    void skip() {
      while (!text.empty() && (text.front() == ' ' || text.front() == '\t' || text.front() == '\r'))
        text.remove_prefix(1);
    }
    bool at(char c) {
      skip();
      return !text.empty() && text.front() == c;
    }
    bool take(char c) {
      if (!at(c)) return false;
      text.remove_prefix(1);
      return true;
    }
    bool done() {
      skip();
      return text.empty();
    }
    // A quoted word without escapes.
    std::optional<std::string_view> word() {
      if (!take('"')) return std::nullopt;
      const size_t end = text.find_first_of("\"\\");
      if (end == std::string_view::npos || text[end] == '\\') return std::nullopt;
      const std::string_view found = text.substr(0, end);
      text.remove_prefix(end + 1);
      return found;
    }
    std::optional<int64_t> whole() {
      skip();
      int64_t value = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      if (error != std::errc()) return std::nullopt;
      text.remove_prefix(static_cast<size_t>(end - text.data()));
      return value;
    }
  };
  // The value of a key: a whole number, a list of them, or a text, which is skipped.
  bool values(Cursor& in, const std::string& key) {
    std::vector<int64_t>& list = lists_[key];
    if (!list.empty()) return false;  // a key that stands there twice
    if (in.at('"')) return in.word().has_value();
    const bool many = in.take('[');
    while (!many || !in.take(']')) {
      const std::optional<int64_t> value = in.whole();
      if (!value) return false;
      list.push_back(*value);
      if (!many) return true;
      if (!in.take(',') && !in.at(']')) return false;
    }
    return true;
  }
  std::map<std::string, std::vector<int64_t>, std::less<>> lists_;
};

// Why a line is no request of this format; empty = it was added.
std::string add_line(std::string_view line, const Names& names, TraceReading& reading) {
  const std::optional<FlatObject> object = FlatObject::parse(line);
  if (!object) return "this is no flat JSON object of whole numbers, lists of them and plain texts";
  const auto at = object->number(names.at);
  const auto prompt = object->number(names.prompt);
  const auto output = object->number(names.output);
  const std::vector<int64_t>* ids = object->list(names.ids);
  if (!at || !prompt || !output || ids == nullptr) {
    return fmt::format("needs {}, {}, {} and {}", names.at, names.prompt, names.output, names.ids);
  }
  const bool sizes = *at >= 0 && *at <= INT64_MAX / names.at_ns && *prompt >= 0 && *prompt <= kMostTokens &&
                     *output >= 0 && *output <= kMostTokens;
  if (!sizes) return "a time or a number of tokens is negative or too large";
  std::vector<uint64_t> keys;
  for (const int64_t id : *ids) {
    for (int64_t part = 0; part < names.split; ++part) {
      keys.push_back(mix64(mix64(0, static_cast<uint64_t>(id)), static_cast<uint64_t>(part)));
    }
  }
  reading.add(Duration{*at * names.at_ns}, *prompt, *output, keys);
  return reading.keys() <= kMostKeys ? "" : "the file has too many blocks to keep in memory";
}

}  // namespace

Result<TraceRows> read_block_trace(ByteSource& source, const std::string& file, BlockTraceFormat format,
                                   const TraceLimits& limits) {
  const Names& names = format == BlockTraceFormat::blocks ? kBlocks : kMooncake;
  LineReader lines(source, kLineBytes);
  TraceReading reading(file, limits);
  std::string line;
  while (!reading.full() && reading.keys() <= kMostKeys) {
    line.clear();
    if (!lines.append_next(line)) break;
    if (line.find_first_not_of(" \t\r") == std::string::npos && !lines.cut()) continue;
    const std::string wrong = lines.cut() ? "the line is longer than 1 MiB" : add_line(line, names, reading);
    if (wrong.empty()) continue;
    Diagnostic problem;
    problem.file = file;
    problem.line = static_cast<int>(lines.number());
    problem.column = 1;
    problem.message = wrong;
    reading.report(std::move(problem));
  }
  return reading.finish();
}

}  // namespace cotenant
