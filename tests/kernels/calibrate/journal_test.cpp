#include "kernels/calibrate/journal.h"

#include <catch2/catch.hpp>

#include "sim/core/philox.h"

namespace cotenant {
namespace {

const std::string kBinding = "quick, seed 1, filter ''";

std::string text_of(const std::vector<Finished>& units) {
  std::string text = journal_header(kBinding);
  for (const Finished& unit : units) text += journal_line(unit);
  return text;
}

const std::vector<Finished> kUnits = {
    {"rates", {1e11, 3.05e10}},
    {"decoder-25m/lora/tokens:16/adapters:4#1", {1.25e-3, 0, 0.1, -0.0, 1e-300}},
    {"hold-out step: decode 5 at 1570, cold#2", {}}};

TEST_CASE("a journal gives back what was written, number for number") {
  const Result<Journal> read = read_journal(text_of(kUnits), kBinding, "j");
  REQUIRE(read.ok());
  REQUIRE(read.value().whole_bytes == text_of(kUnits).size());
  REQUIRE(read.value().units.size() == kUnits.size());
  for (size_t i = 0; i < kUnits.size(); ++i) {
    REQUIRE(read.value().units[i].id == kUnits[i].id);
    REQUIRE(read.value().units[i].values == kUnits[i].values);
  }
}

TEST_CASE("a journal cut off anywhere keeps its whole lines and says where they end") {
  const std::string text = text_of(kUnits);
  for (size_t length = 0; length <= text.size(); ++length) {
    const std::string cut = text.substr(0, length);
    const Result<Journal> read = read_journal(cut, kBinding, "j");
    REQUIRE(read.ok());
    const size_t lines = static_cast<size_t>(std::count(cut.begin(), cut.end(), '\n'));
    REQUIRE(read.value().units.size() == (lines == 0 ? 0 : lines - 1));
    const size_t last_end = cut.rfind('\n');
    REQUIRE(read.value().whole_bytes == (last_end == std::string::npos ? 0 : last_end + 1));
  }
}

TEST_CASE("a damaged line is named, whatever byte is wrong") {
  const std::string text = text_of(kUnits);
  const size_t header = journal_header(kBinding).size();
  const size_t second_end = text.find('\n', header);
  for (size_t at = header; at < second_end; ++at) {
    std::string damaged = text;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    const Result<Journal> read = read_journal(damaged, kBinding, "j");
    INFO(at << ": " << damaged.substr(header, second_end - header));
    REQUIRE(!read.ok());
    REQUIRE(read.problems()[0].file == "j");
    REQUIRE(read.problems()[0].line >= 2);
    REQUIRE(read.problems()[0].help.find("--restart") != std::string::npos);
  }
}

TEST_CASE("a journal of another calibration, and what is none, is refused with both bindings") {
  const Result<Journal> other = read_journal(text_of(kUnits), "full, seed 2", "j");
  REQUIRE(!other.ok());
  REQUIRE(other.problems()[0].message.find(kBinding) != std::string::npos);
  REQUIRE(other.problems()[0].message.find("full, seed 2") != std::string::npos);
  for (const std::string& text :
       {std::string("\x89HDF\r\n\x1a\n"), std::string("hello\n"), std::string("\n"), std::string(1000, '\0'),
        std::string("cotenant calibration journal 2\tx\n")}) {
    REQUIRE(!read_journal(text, kBinding, "j").ok());
  }
}

TEST_CASE("random bytes behind a sound header are damage, not a crash") {
  RandomStream random(stream_key(3, 0), 0, Purpose::faults);
  for (int round = 0; round < 300; ++round) {
    std::string text = journal_header(kBinding);
    for (int i = 0; i < 100; ++i) text += static_cast<char>(random.bits());
    text += "\n";
    REQUIRE(!read_journal(text, kBinding, "j").ok());
  }
}

TEST_CASE("control characters in a name cannot break a line") {
  const std::string line = journal_line({"a\tb\nc", {1}});
  REQUIRE(std::count(line.begin(), line.end(), '\n') == 1);
  REQUIRE(std::count(line.begin(), line.end(), '\t') == 2);
}

}  // namespace
}  // namespace cotenant
