#include "tools/progress.h"

#include <unistd.h>

#include <cstdio>

namespace cotenant {

ProgressLine::ProgressLine(double every_s)
    : terminal_(::isatty(STDERR_FILENO) == 1), every_(every_s), last_(Clock::now()) {}

void ProgressLine::show(const std::string& text) {
  if (!terminal_) {
    const Clock::time_point now = Clock::now();
    if (now - last_ < every_) return;
    last_ = now;
  }
  const std::string line = terminal_ ? "\r\x1b[K" + text : text + "\n";
  std::fputs(line.c_str(), stderr);
}

void ProgressLine::clear() {
  if (terminal_) std::fputs("\r\x1b[K", stderr);
}

}  // namespace cotenant
