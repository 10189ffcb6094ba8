#pragma once
#include <string>

namespace cotenant {

// One line on stderr that is overwritten; says nothing where stderr is no terminal.
class ProgressLine {
 public:
  ProgressLine();
  void show(const std::string& text);
  void clear();

 private:
  bool terminal_;
};

}  // namespace cotenant
