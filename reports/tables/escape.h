#pragma once
#include <string>
#include <string_view>
#include <utility>

namespace cotenant {

// A constant of the program, known when it is compiled: never something that a user wrote.
class Markup {
 public:
  consteval Markup(const char* text) : text_(text) {}  // NOLINT(google-explicit-constructor)
  [[nodiscard]] constexpr std::string_view text() const { return text_; }

 private:
  std::string_view text_;
};

// Text that is safe in one sink. Names of tenants, tiers and scenarios are hostile: a std::string does not
// convert, so that forgetting to escape does not compile, and text for one sink does not fit another.
template <class Sink>
class Escaped {
 public:
  Escaped() = default;
  Escaped(Markup markup) : text_(markup.text()) {}  // NOLINT(google-explicit-constructor)
  [[nodiscard]] const std::string& text() const { return text_; }
  Escaped& operator+=(const Escaped& more) {
    text_ += more.text_;
    return *this;
  }
  friend Escaped operator+(Escaped a, const Escaped& b) { return std::move(a += b); }

 private:
  friend Sink;
  static Escaped safe(std::string&& text) {
    Escaped escaped;
    escaped.text_ = std::move(text);
    return escaped;
  }
  std::string text_;
};

// Text and attribute values of HTML and SVG. Control characters and what is not UTF-8 appear as \xNN.
struct HtmlSink {
  static Escaped<HtmlSink> escape(std::string_view raw);
  // The same, but line ends stay: for <pre>.
  static Escaped<HtmlSink> escape_lines(std::string_view raw);
};
using Html = Escaped<HtmlSink>;

// Running text and table cells of CommonMark with GitHub's tables: no markup, link, mention or HTML comes of
// it.
struct MarkdownSink {
  static Escaped<MarkdownSink> escape(std::string_view raw);
  // A code span, or an indented block where there are several lines.
  static Escaped<MarkdownSink> code(std::string_view raw);
  static Escaped<MarkdownSink> code_block(std::string_view raw);
};
using Markdown = Escaped<MarkdownSink>;

// One text cell as in RFC 4180. A cell that a spreadsheet would take for a formula (it begins with = + - @, a
// tab or a carriage return) gets a leading apostrophe.
struct CsvSink {
  static Escaped<CsvSink> escape(std::string_view raw);
};
using Csv = Escaped<CsvSink>;

// A gnuplot string in single quotes, the only kind in which gnuplot executes nothing. An apostrophe becomes
// the typographic one: gnuplot 5.4 takes a doubled quote at the start of a string for an empty string.
struct GnuplotSink {
  static Escaped<GnuplotSink> quote(std::string_view raw);
};
using GnuplotText = Escaped<GnuplotSink>;

// Text for a terminal: no control or bidirectional character gets through.
struct TerminalSink {
  static Escaped<TerminalSink> escape(std::string_view raw);
};
using TerminalText = Escaped<TerminalSink>;

// The message part of a GitHub workflow command ("::error::..."): no line end or command gets through.
struct AnnotationSink {
  static Escaped<AnnotationSink> escape(std::string_view raw);
};
using Annotation = Escaped<AnnotationSink>;

// A word for a POSIX shell: as it is where that is safe, else in single quotes.
std::string shell_word(const std::string& text);

// At most `columns` characters (code points) of valid UTF-8 text; a cut is shown by an ellipsis.
std::string shortened(std::string_view text, size_t columns);
// Code points of valid UTF-8 text: an estimate of its width.
size_t width_of(std::string_view text);

}  // namespace cotenant
