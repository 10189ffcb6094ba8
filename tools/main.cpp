#include <csignal>
#include <cstdio>
#include <exception>
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
    return static_cast<int>(cotenant::dispatch(cotenant::Arguments(argv + 1, argv + argc)));
  } catch (const std::exception& failure) {
    const std::string text = "cotenant: " + cotenant::printable(failure.what()) + "\n";
    std::fputs(text.c_str(), stderr);
    std::fflush(nullptr);
    // HDF5 1.10 can crash in its exit handler after a failed close, so the process leaves without one.
    std::_Exit(static_cast<int>(cotenant::Exit::failed));
  }
}
