#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cotenant {

// Exit codes of the program (docs/command-line.md).
enum class Exit : int {
  ok = 0,             // every expectation met
  missed = 1,         // an expectation was missed
  bad_input = 2,      // nothing ran
  failed = 3,         // the world failed: disk, gnuplot, device
  not_measured = 4,   // a required figure came out "not measured"
  interrupted = 130,  // finished units are written, complete = false
};

using Arguments = std::vector<std::string>;

// The commands: arguments after the command's own name. stdout is data, stderr is progress and messages.
// Each throws std::exception when the world fails.
Exit run_command(const Arguments& arguments);
Exit check_command(const Arguments& arguments);
Exit calibrate_command(const Arguments& arguments);
Exit replay_command(const Arguments& arguments);
Exit ramp_command(const Arguments& arguments);
Exit report_command(const Arguments& arguments);
Exit inspect_command(const Arguments& arguments);
Exit explain_command(const Arguments& arguments);
Exit schema_command(const Arguments& arguments);
Exit doctor_command(const Arguments& arguments);

// Dispatches argv: `cotenant COMMAND ...`, --help, --version.
Exit dispatch(const Arguments& arguments);

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace cotenant
