#pragma once
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "sim/core/check.h"

namespace cotenant {

// One problem in the user's input. line and column count from 1; 0 = the whole file.
struct Diagnostic {
  std::string file;
  int line = 0;
  int column = 0;
  int width = 1;        // characters to underline in the excerpt
  std::string message;  // what is wrong, one sentence without a full stop
  std::string excerpt;  // the line of the input, without line end; may be empty
  std::string help;     // what to write instead; may be empty
};

using Diagnostics = std::vector<Diagnostic>;

// "file:line:col: error: message", the excerpt, an underline and "help: ...". Control characters of the
// input are shown as \xNN and excerpts are cut to 120 columns, so that nothing reaches a terminal raw.
std::string to_text(const Diagnostic& diagnostic);
std::string to_text(const Diagnostics& diagnostics);

// `text` with control characters, and bytes that are not UTF-8, written as \xNN.
std::string printable(const std::string& text);

// A value, or every problem that kept it from being made.
template <class T>
class Result {
 public:
  Result(T value) : content_(std::move(value)) {}                 // NOLINT(google-explicit-constructor)
  Result(Diagnostics problems) : content_(std::move(problems)) {  // NOLINT(google-explicit-constructor)
    CHECK(!std::get<Diagnostics>(content_).empty());
  }
  Result(Diagnostic problem) : content_(Diagnostics{std::move(problem)}) {}  // NOLINT

  [[nodiscard]] bool ok() const { return std::holds_alternative<T>(content_); }
  [[nodiscard]] const T& value() const& {
    CHECK(ok());
    return std::get<T>(content_);
  }
  [[nodiscard]] T&& value() && {
    CHECK(ok());
    return std::get<T>(std::move(content_));
  }
  [[nodiscard]] const Diagnostics& problems() const {
    CHECK(!ok());
    return std::get<Diagnostics>(content_);
  }

 private:
  std::variant<T, Diagnostics> content_;
};

}  // namespace cotenant
