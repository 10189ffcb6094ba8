#include "sim/core/check.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

namespace cotenant {
namespace {
thread_local CheckContext context_of_thread;
}

void check_failed(const char* expression, const char* file, int line, std::string_view message) {
  const CheckContext& c = context_of_thread;
  const std::string text = fmt::format(
      "cotenant: internal error, please report: CHECK({}) at {}:{} {}\n  seed {}, replication {}, simulated "
      "time {} ns\n",
      expression, file, line, message, c.seed, c.replication, c.now_ns != nullptr ? *c.now_ns : -1);
  std::fputs(text.c_str(), stderr);
  std::abort();
}

ScopedCheckContext::ScopedCheckContext(const CheckContext& context) : previous_(context_of_thread) {
  context_of_thread = context;
}
ScopedCheckContext::~ScopedCheckContext() {
  context_of_thread = previous_;
}

ScopedCheckClock::ScopedCheckClock(const int64_t* now_ns) {
  context_of_thread.now_ns = now_ns;
}
ScopedCheckClock::~ScopedCheckClock() {
  context_of_thread.now_ns = nullptr;
}

}  // namespace cotenant
