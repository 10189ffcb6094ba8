#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

#include "reports/store/results_file.h"
#include "sim/core/result.h"
#include "tools/command.h"

// The one place where exceptions end: the world failed (disk, HDF5, device).
int main(int argc, char** argv) {
  // A closed pipe or a full quota is an error code to handle, not a death.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    const cotenant::Exit code = cotenant::dispatch(cotenant::Arguments(argv + 1, argv + argc));
    // A reader that has seen enough (EPIPE) is no failure; a full disk behind stdout is.
    const bool lost = std::fflush(stdout) != 0 || std::ferror(stdout) != 0;
    if (lost && errno != EPIPE) throw std::runtime_error("stdout could not be written in full");
    return static_cast<int>(code);
  } catch (const std::exception& failure) {
    const std::string text = "cotenant: " + cotenant::printable(failure.what()) + "\n";
    std::fputs(text.c_str(), stderr);
    std::fflush(nullptr);
    // HDF5 1.10 can crash in its exit handler after a failed close, so the process leaves without one.
    std::_Exit(static_cast<int>(cotenant::Exit::failed));
  }
}
