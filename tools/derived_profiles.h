#pragma once
#include "tools/command.h"

namespace cotenant {

// The three ways to a profile without the device at hand. All are forms of `cotenant calibrate`.

// `calibrate --model SKU`: from the peaks of a catalogue entry.
Exit model_profile_command(const Arguments& arguments);
// `calibrate --import layerprofile FOLDER`: from tables that somebody else measured.
Exit import_profile_command(const Arguments& arguments);
// `calibrate --from-requests LOG`: from the times of requests that a server answered.
Exit fit_profile_command(const Arguments& arguments);

}  // namespace cotenant
