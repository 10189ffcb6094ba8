#pragma once
#include <atomic>

namespace cotenant {

// From now on the first SIGINT or SIGTERM sets the flag that is returned, and the second one ends the program
// at once.
const std::atomic<bool>* stop_on_interrupt();

}  // namespace cotenant
