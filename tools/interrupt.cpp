#include "tools/interrupt.h"

#include <csignal>
#include <cstdlib>

#include "tools/command.h"

namespace cotenant {
namespace {

std::atomic<bool> interrupted = false;
extern "C" void on_interrupt(int /*signal*/) {
  if (interrupted.exchange(true)) std::_Exit(static_cast<int>(Exit::interrupted));
}

}  // namespace

const std::atomic<bool>* stop_on_interrupt() {
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  return &interrupted;
}

}  // namespace cotenant
