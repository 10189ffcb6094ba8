#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/core/byte_source.h"
#include "sim/core/result.h"

namespace cotenant {

// The lines of a source, one at a time, without holding the source in memory. One owner, one thread.
class LineReader {
 public:
  // Keeps a reference to `source`. Lines longer than `line_bytes` are cut there and the rest is skipped.
  LineReader(ByteSource& source, size_t line_bytes) : source_(source), line_bytes_(line_bytes) {}

  // Appends the next line to `line`, without "\n"; false at the end. A last line without "\n" counts, an
  // empty one does not. `line` never grows beyond line_bytes; cut() then says so.
  bool append_next(std::string& line);
  [[nodiscard]] bool cut() const { return cut_; }
  // The number of the last line read, from 1.
  [[nodiscard]] int64_t number() const { return number_; }

 private:
  bool fill();

  ByteSource& source_;
  size_t line_bytes_;
  std::vector<char> chunk_ = std::vector<char>(size_t{1} << 16);
  size_t begin_ = 0;
  size_t end_ = 0;
  int64_t number_ = 0;
  bool cut_ = false;
};

struct CsvLimits {
  size_t row_bytes = size_t{1} << 20;  // a row this long is malformed
  size_t columns = 256;
};

// Rows of a comma-separated file by column name (RFC 4180): quoted fields with "" for a quote and with line
// ends in them, LF or CRLF, with or without a last line end, with or without a UTF-8 byte order mark. Blank
// lines are skipped, as pandas and R do. Columns may stand in any order; columns not asked for are ignored
// but their fields are counted. Once the first rows have been read, a row allocates nothing. One owner, one
// thread.
class CsvReader {
 public:
  // Reads the header. Keeps a reference to `source`; `file` is how diagnostics name it. Problems: no header,
  // a column that is missing or there twice, too many columns, a malformed header.
  static Result<CsvReader> open(ByteSource& source, const std::string& file,
                                std::span<const std::string_view> columns, const CsvLimits& limits = {});

  // malformed: problem() says what is wrong with this row (a field too many or too few, a stray or open
  // quote, too long); reading may go on with the next one.
  enum class Row : uint8_t { fields, malformed, end };
  Row next();

  // The field of columns[i], unquoted. Valid until next(). Requires: the last next() gave Row::fields.
  [[nodiscard]] std::string_view field(size_t i) const { return fields_[wanted_[i]].text; }
  // Why the last row is malformed.
  [[nodiscard]] const Diagnostic& problem() const { return problem_; }
  // A problem of the caller's with the field of columns[i] of the last row: line, column and excerpt are
  // filled in.
  [[nodiscard]] Diagnostic problem_at(size_t i, std::string message, std::string help) const;

 private:
  struct Field {
    std::string_view text;
    size_t column = 0;  // from 1, in characters of the row's first line
  };

  CsvReader(ByteSource& source, const std::string& file, const CsvLimits& limits)
      : file_(file), limits_(limits), lines_(source, limits.row_bytes) {}
  Diagnostics read_header(std::span<const std::string_view> columns);
  Diagnostics find_columns(std::span<const std::string_view> columns);
  Row read_row();
  void read_quoted_lines();
  Row split();
  bool split_quoted(size_t& at);
  bool split_plain(size_t& at);
  Row malformed(size_t column, std::string message, std::string help);
  [[nodiscard]] Diagnostic diagnostic(size_t column, std::string message, std::string help) const;

  std::string file_;
  CsvLimits limits_;
  LineReader lines_;
  std::string row_;  // raw; quoted fields are unquoted in place
  std::string raw_excerpt_;
  int64_t line_ = 0;  // where the row begins
  std::vector<Field> fields_;
  std::vector<size_t> wanted_;
  size_t header_fields_ = 0;
  Diagnostic problem_;
};

}  // namespace cotenant
