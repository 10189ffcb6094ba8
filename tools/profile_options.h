#pragma once
#include <optional>
#include <string>
#include <vector>

#include "kernels/calibrate/modelled_profile.h"
#include "kernels/profile/profile.h"
#include "sim/scenario/catalog.h"
#include "tools/command_line.h"

namespace cotenant {

// What the forms of `cotenant calibrate` that need no device have in common: choices from the catalogue,
// parameters that the command line states, and where the profile goes.

// Both catalogue files of a folder as one catalogue.
Result<Catalog> catalog_in(const std::string& folder);
template <class Entry>
std::vector<std::string> names_of(const std::vector<Entry>& entries) {
  std::vector<std::string> names;
  names.reserve(entries.size());
  for (const Entry& entry : entries) names.push_back(entry.name);
  return names;
}
// Problems name the nearest entry.
Result<CatalogSku> sku_named(const Catalog& catalog, const std::string& name);
Result<CatalogModel> model_named(const Catalog& catalog, const std::string& name);
DecoderConfig decoder_of(const CatalogModel& model);
DevicePeaks peaks_of(const CatalogSku& sku);

// A file name, and the folder where profiles lie: --out and --name.
struct ProfilePlace {
  std::string folder;
  std::string name;
};
// Refuses to lose a measured profile: would_lose().
Result<ProfilePlace> profile_place(const CommandLine& line, const std::string& fallback);

// What is about to be made: the measurements of some kernels only, or of all in one of the modes; or figures
// that nobody measured.
enum class NewProfile : uint8_t { part, quick, full, derived };
// A measured profile gives way only to one that measured no less: why this one may not take its place.
// Nothing with --force, or where no sound measured profile stands.
std::optional<Diagnostic> would_lose(const CommandLine& line, const ProfilePlace& place, NewProfile made);
// Writes the profile, then `note` and its path to stdout.
Exit store(Profile profile, const ProfilePlace& target, const std::string& note);

// Parameters of a profile that nobody has measured and the command line may state.
struct StatedParameter {
  const char* option;
  const char* name;
  const char* help;
};
inline constexpr StatedParameter kStatedParameters[] = {
    {"host-step", "host_step_s", "what the host adds to every step, for example '500 us'"},
    {"host-sequence", "host_sequence_s", "to every sequence in a step, for example '20 us'"},
    {"host-prefill-step", "host_prefill_step_s", "to every step with prompt tokens, for example '3 ms'"},
    {"client-request", "client_request_s", "between a client's send and the queue, for example '1 ms'"},
    {"client-input-token", "client_input_token_s", "the same for each input token, for example '2500 ns'"},
    {"client-output", "client_output_s", "from a token's existence to the client, for example '500 us'"},
};
// Puts what the options state into the profile, for each of its models, labelled "assumed".
Diagnostics state_parameters(const CommandLine& line, Profile* profile);
// "20 us" in seconds; 0 without the option.
Result<double> seconds_of(const CommandLine& line, const char* option);

// Those of kStatedParameters, --catalog, --name and --out.
void common_options(CommandLine* line);

}  // namespace cotenant
