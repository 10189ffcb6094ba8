#include "sim/workload/csv_reader.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

using namespace cotenant;

namespace {

// Hands out the text in pieces of at most `piece` bytes, as a file system may.
class PieceSource : public ByteSource {
 public:
  PieceSource(std::string text, size_t piece) : text_(std::move(text)), piece_(piece) {}
  size_t read(std::span<char> into) override {
    const size_t n = std::min({into.size(), piece_, text_.size() - at_});
    std::memcpy(into.data(), text_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  std::string text_;
  size_t piece_;
  size_t at_ = 0;
};

constexpr std::array<std::string_view, 2> kAB = {"a", "b"};

// Every row as "a|b", a malformed one as "!line:column message".
std::vector<std::string> rows(const std::string& text, size_t piece = SIZE_MAX,
                              const CsvLimits& limits = {}) {
  PieceSource source(text, piece);
  Result<CsvReader> opened = CsvReader::open(source, "x.csv", kAB, limits);
  if (!opened.ok()) return {to_text(opened.problems())};
  CsvReader csv = std::move(opened).value();
  std::vector<std::string> out;
  while (true) {
    const CsvReader::Row row = csv.next();
    if (row == CsvReader::Row::end) return out;
    if (row == CsvReader::Row::fields) {
      out.push_back(std::string(csv.field(0)) + "|" + std::string(csv.field(1)));
    } else {
      const Diagnostic& p = csv.problem();
      out.push_back("!" + std::to_string(p.line) + ":" + std::to_string(p.column) + " " + p.message);
    }
  }
}

using Rows = std::vector<std::string>;

}  // namespace

TEST_CASE("line ends, a byte order mark and a missing last line end do not change the rows") {
  const Rows expected = {"1|2", "3|4"};
  const auto text = GENERATE(values<std::string>({
      "a,b\n1,2\n3,4\n",
      "a,b\n1,2\n3,4",
      "a,b\r\n1,2\r\n3,4\r\n",
      "a,b\r\n1,2\r\n3,4\r",
      "a,b\n1,2\n\n3,4\n\n\n",
      "a,b\r\n1,2\r\n\r\n3,4\r\n\r\n",
      "\xEF\xBB\xBF"
      "a,b\n1,2\n3,4\n",
      "\"a\",\"b\"\n\"1\",\"2\"\n\"3\",\"4\"",
  }));
  const auto piece = GENERATE(size_t{1}, size_t{2}, size_t{3}, SIZE_MAX);
  REQUIRE(rows(text, piece) == expected);
}

TEST_CASE("quoted fields hold commas, quotes and line ends") {
  REQUIRE(rows("a,b\n\"x,y\",\"he said \"\"hi\"\"\"\n\"\",\"\"\"\"\n") == Rows{"x,y|he said \"hi\"", "|\""});
  REQUIRE(rows("a,b\n\"one\ntwo\",3\n4,\"\r\n\"\n") == Rows{"one\ntwo|3", "4|\r\n"});
  REQUIRE(rows("a,b\r\n\"one\r\ntwo\",\"3\"\r\n") == Rows{"one\r\ntwo|3"});
}

TEST_CASE("any fields written with quotes are read back, however the source cuts them") {
  const std::vector<std::string> pieces = {"", ",", "\"", "\n", "x", "\r\n", "\"\"", ",\"", "\",\n"};
  std::string text = "a,b\n";
  Rows expected;
  const auto quoted = [](const std::string& field) {
    std::string out = "\"";
    for (const char c : field) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    return out + "\"";
  };
  for (const std::string& a : pieces) {
    for (const std::string& b : pieces) {
      text += quoted(a) + "," + quoted(b) + "\n";
      expected.push_back(a + "|" + b);
    }
  }
  for (const size_t piece : {size_t{1}, size_t{5}, SIZE_MAX}) REQUIRE(rows(text, piece) == expected);
}

TEST_CASE("columns are found by name and the others are ignored") {
  REQUIRE(rows("c,b,a\n9,2,1\n") == Rows{"1|2"});
}

TEST_CASE("a malformed row is reported where it stands and the rows after it are read") {
  REQUIRE(rows("a,b\n1\n1,2\n") == Rows{"!2:1 1 fields where the header has 2", "1|2"});
  REQUIRE(rows("a,b\n1,2,3\n1,2\n") == Rows{"!2:1 3 fields where the header has 2", "1|2"});
  REQUIRE(rows("a,b\n1,x\"y\n1,2\n") ==
          Rows{"!2:4 a double quote inside a field that does not begin with one", "1|2"});
  REQUIRE(rows("a,b\n\"1\"x,2\n1,2\n") == Rows{"!2:4 text after the closing double quote", "1|2"});
  REQUIRE(rows("a,b\n1,2\n\n\"3,4\n5,6\n") == Rows{"1|2", "!4:1 this double quote is never closed"});
}

TEST_CASE("line numbers count the lines inside quoted fields") {
  REQUIRE(rows("a,b\n\"1\n1\n1\",2\n3\n") == Rows{"1\n1\n1|2", "!5:1 1 fields where the header has 2"});
}

TEST_CASE("a row that is too long is malformed, takes no more memory, and reading goes on") {
  CsvLimits limits;
  limits.row_bytes = 64;
  const std::string message = "!2:1 the row has 64 bytes or more";
  REQUIRE(rows("a,b\n1," + std::string(1000, 'x') + "\n3,4\n", 7, limits) == Rows{message, "3|4"});
  REQUIRE(rows("a,b\n1," + std::string(61, 'x') + "\n3,4\n", 7, limits).front() ==
          "1|" + std::string(61, 'x'));
  // An open quote takes lines until the limit, blank ones too.
  REQUIRE(rows("a,b\n\"1," + std::string(61, '\n') + "3,4\n", 7, limits).front() == message);
}

TEST_CASE("an open quote before very many lines is found in linear time") {
  std::string text = "a,b\n\"";
  for (int i = 0; i < 400'000; ++i) text += "1,2\n";
  const Rows result = rows(text);
  REQUIRE(result.front() == "!2:1 the row has 1048576 bytes or more");
  REQUIRE(result.back() == "1|2");
}

TEST_CASE("a header that does not fit is a problem that says what the columns are") {
  const Rows missing = rows("a,B\n1,2\n");
  REQUIRE(missing.front().find("x.csv:1:1: error: there is no column b") == 0);
  REQUIRE(missing.front().find("help: the columns are a, B") != std::string::npos);
  REQUIRE(rows("a,b,a\n").front().find("x.csv:1:5: error: column a is there twice") == 0);
  REQUIRE(rows("").front().find("the file is empty") != std::string::npos);
  REQUIRE(rows("\n\r\n").front().find("the file is empty") != std::string::npos);
  REQUIRE(rows("a,b\"\n").front().find("double quote") != std::string::npos);
  CsvLimits limits;
  limits.columns = 3;
  REQUIRE(rows("a,b,c\n1,2,3\n", 9, limits) == Rows{"1|2"});
  REQUIRE(rows("a,b,c,d\n", 9, limits).front().find("more than 3 columns") != std::string::npos);
}

TEST_CASE("a problem of the caller's points at the field") {
  PieceSource source("b,a\n12,345\n", 4);
  CsvReader csv = CsvReader::open(source, "x.csv", kAB).value();
  REQUIRE(csv.next() == CsvReader::Row::fields);
  const Diagnostic problem = csv.problem_at(0, "wrong", "right");
  REQUIRE(to_text(problem) == "x.csv:2:4: error: wrong\n  | 12,345\n  |    ^^^\n  help: right\n");
}
