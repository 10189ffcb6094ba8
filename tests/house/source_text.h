#pragma once
#include <string>
#include <vector>

// C++ source as text, well enough for the house rules: comments, strings, includes, functions. No compiler.
namespace cotenant::house {

struct SourceFile {
  std::string path;  // from the project root, with "/"
  std::string text;
};

// The text with comments as blanks; line ends and columns stay.
std::string without_comments(const std::string& text);
// The same without the content of string and character literals too; the quotes stay.
std::string code_only(const std::string& text);

struct Include {
  int line = 0;
  std::string path;
  bool quoted = false;  // "x", not <x>
};
std::vector<Include> includes_of(const std::string& text);

// A function definition at namespace or class level, from the first line of its head to that of its closing
// brace. What is defined inside a function (a lambda, a local class) counts to it.
struct Function {
  std::string head;
  int first_line = 0;
  int lines = 0;
};
std::vector<Function> functions_of(const std::string& text);

// The line (from 1) of a position in the text.
int line_of(const std::string& text, size_t at);

}  // namespace cotenant::house
