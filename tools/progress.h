#pragma once
#include <chrono>
#include <string>

namespace cotenant {

// One line on stderr that is overwritten. Where stderr is no terminal (a log, a script) it is a line of its
// own every few seconds at most, so that a long command shows where it is. One owner; one thread at a time.
class ProgressLine {
 public:
  // `every_s`: between two lines off a terminal, and before the first.
  explicit ProgressLine(double every_s = 10);
  void show(const std::string& text);
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  bool terminal_;
  std::chrono::duration<double> every_;
  Clock::time_point last_;
};

}  // namespace cotenant
