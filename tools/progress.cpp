#include "tools/progress.h"

#include <unistd.h>

#include <cstdio>

namespace cotenant {

ProgressLine::ProgressLine() : terminal_(::isatty(STDERR_FILENO) == 1) {}

void ProgressLine::show(const std::string& text) {
  if (!terminal_) return;
  const std::string line = "\r\x1b[K" + text;
  std::fputs(line.c_str(), stderr);
}

void ProgressLine::clear() {
  if (terminal_) std::fputs("\r\x1b[K", stderr);
}

}  // namespace cotenant
