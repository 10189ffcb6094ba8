// Public: fit_profile_command(): calibrate --from-requests.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "kernels/calibrate/modelled_profile.h"
#include "reports/store/results_file.h"
#include "sim/core/math.h"
#include "sim/fit/log_fit.h"
#include "sim/fit/open_requests.h"
#include "sim/scenario/quantity.h"
#include "tools/derived_profiles.h"
#include "tools/file_bytes.h"
#include "tools/profile_options.h"
#include "tools/scenario_inputs.h"

namespace cotenant {
namespace {

constexpr const char* kTypical = "typical of serving engines";
constexpr double kNoLimitS = 1;  // of what a host or client may add

// What a fit may choose, in the order of the values that it hands over. Starts are RooflineFigures' typical
// figures. Spreads: GEMMs of serving engines reach 65 to 80 % of the arithmetic and 80 to 85 % of the
// bandwidth, so a factor of 1.25; what hosts and clients add differs by a factor of 3.
struct Choice {
  const char* name;    // of the profile's parameter
  const char* option;  // that states it instead; nullptr = none
  const char* label;
  double start;
  double spread;
  double most;
};
constexpr double kShareSpread = 0.223;
constexpr double kHostSpread = 1.0986;
constexpr RooflineFigures kUsual;
constexpr Choice kChoices[] = {
    {"compute_share", nullptr, "compute, of the peak", kUsual.compute_share, kShareSpread, 1},
    {"bandwidth_share", nullptr, "bandwidth, of the peak", kUsual.bandwidth_share, kShareSpread, 1},
    {"host_step_s", "host-step", "host, a step", kUsual.host_step_s, kHostSpread, kNoLimitS},
    {"host_sequence_s", "host-sequence", "host, a sequence in a step", kUsual.host_sequence_s, kHostSpread,
     kNoLimitS},
    {"host_prefill_step_s", "host-prefill-step", "host, a step with prompts", kUsual.host_prefill_step_s,
     kHostSpread, kNoLimitS},
    {"client_request_s", "client-request", "client, a request", 1e-3, kHostSpread, kNoLimitS},
};
// The rest of the client cannot be told from the first of its figures in one log.
constexpr double kClientInputTokenS = 2.5e-6;
constexpr double kClientOutputS = 0.5e-3;

// A log and the server that it is sent to again.
struct NamedReplay {
  std::string name;
  LogReplay replay;
};

// Everything that the command was asked, read.
struct Question {
  NamedReplay log;
  std::vector<NamedReplay> others;  // predicted only
  Duration until;
  // Of a fit.
  ModelledInput shape;  // without figures
  std::vector<const Choice*> fitted;
  std::vector<Parameter> stated;  // not fitted, with their values
  ProfilePlace place;
};

double stated_value(const std::vector<Parameter>& stated, const std::string& name, double otherwise) {
  for (const Parameter& p : stated) {
    if (p.name == name) return p.value;
  }
  return otherwise;
}

// The roofline profile with these figures; `values` in the order of `fitted`.
Profile profile_with(const Question& q, const std::vector<double>& values) {
  std::vector<Parameter> all = q.stated;
  const std::string& model = q.shape.decoders.front().name;
  for (size_t j = 0; j < values.size(); ++j)
    all.push_back({model, q.fitted[j]->name, values[j], "fitted", q.log.name});
  ModelledInput input = q.shape;
  RooflineFigures& f = input.figures;
  f.compute_share = stated_value(all, "compute_share", f.compute_share);
  f.bandwidth_share = stated_value(all, "bandwidth_share", f.bandwidth_share);
  Profile profile = modelled_profile(input);
  profile.parameters = std::move(all);
  for (KernelTimes& kernel : profile.kernels) {
    const bool fitted = kernel.name == model + "/linear" || kernel.name == model + "/head";
    if (fitted) kernel.provenance = Provenance::fitted;
  }
  return profile;
}

// What is fitted, and what the command line or habit states.
Result<bool> choose(const CommandLine& line, RequestLog::Clock clock, Question* q) {
  const std::string& model = q->shape.decoders.front().name;
  Profile told;
  told.models.push_back({.name = model, .kind = {}});
  if (const Diagnostics problems = state_parameters(line, &told); !problems.empty()) return problems;
  q->stated = told.parameters;
  const auto is_stated = [&](const std::string& name) {
    return std::any_of(q->stated.begin(), q->stated.end(),
                       [&](const Parameter& p) { return p.name == name; });
  };
  const auto assume = [&](const char* name, double value, const char* source) {
    if (!is_stated(name)) q->stated.push_back({model, name, value, "assumed", source});
  };
  for (const Choice& choice : kChoices) {
    const bool client = std::string(choice.name).starts_with("client_");
    if (client && clock == RequestLog::Clock::engine) {
      assume(choice.name, choice.start, kTypical);
    } else if (!is_stated(choice.name)) {
      q->fitted.push_back(&choice);
    }
  }
  assume("client_input_token_s", kClientInputTokenS, kTypical);
  assume("client_output_s", kClientOutputS, kTypical);
  const RooflineFigures& f = q->shape.figures;
  assume("attention_compute_share", f.attention_compute_share, kTypical);
  assume("attention_bandwidth_share", f.attention_bandwidth_share, kTypical);
  return true;
}

Result<NamedReplay> replay_named(const CommandLine& line, const Scenario& server, const std::string& name) {
  FileByteSources files(".", line.word_or("data", environment("COTENANT_DATA").value_or("")));
  Result<std::unique_ptr<ByteSource>> source = files.open(name);
  if (!source.ok()) return source.problems();
  Result<RequestLog> log = undamaged(name, [&] { return read_request_log(*source.value(), name); });
  if (!log.ok()) return log.problems();
  Result<LogReplay> replay = LogReplay::make(server, std::move(log).value());
  if (!replay.ok()) {
    Diagnostics problems = replay.problems();
    for (Diagnostic& d : problems) d.file = d.file.empty() ? name : d.file;
    return problems;
  }
  return NamedReplay{name, std::move(replay).value()};
}

Duration longest_sent(const RequestLog& log) {
  return log.requests.back().sent;
}

// --fit-until, else the first two thirds.
Result<Duration> until_of(const CommandLine& line, const RequestLog& log) {
  if (!line.has("fit-until")) return Duration{longest_sent(log).ns / 3 * 2};
  const Parsed<Duration> parsed = parse_duration(line.word_or("fit-until", ""));
  if (parsed.ok() && parsed.value().ns > 0) return parsed.value();
  return usage_problem("--fit-until takes a duration from the first send", "--fit-until '200 s'");
}

std::string text_of(const NamedReplay& named) {
  const RequestLog& log = named.replay.logged();
  std::string text =
      fmt::format("{}: {} requests of {} tenant{} in {:.0f} s, on the {}'s clock\n", printable(named.name),
                  log.requests.size(), log.tenants.size(), log.tenants.size() == 1 ? "" : "s",
                  seconds(longest_sent(log)), log.clock == RequestLog::Clock::client ? "client" : "engine");
  for (size_t i = 0; i < kLogDrops; ++i) {
    if (log.dropped[i] > 0)
      text += fmt::format("  left out: {} with {}\n", log.dropped[i], to_string(static_cast<LogDrop>(i)));
  }
  if (const auto cap = suspected_cap(log)) {
    text += fmt::format(
        "  warning: sent times look throttled by a cap of {} open requests: {} of the {} that ended there "
        "were "
        "followed at once by the next. Load that was held back is not in this log, and its sent times are "
        "those of this server alone\n",
        cap->most, cap->followed, cap->ends);
  }
  return text;
}

// "0.6512" or "3.142 ms"
std::string value_text(const Choice& choice, double value) {
  const bool time = std::string(choice.name).ends_with("_s");
  if (!time) return fmt::format("{:.3f}", value);
  return value < 1e-3 ? fmt::format("{:.3g} us", value * 1e6) : fmt::format("{:.3g} ms", value * 1e3);
}

std::string interval_text(const Choice& choice, const FittedParameter& p) {
  std::string text = fmt::format("{} to {}", value_text(choice, p.low), value_text(choice, p.high));
  if (!p.identified) text += ", not identified";
  const double away = std::max(p.value / choice.start, choice.start / p.value);
  if (away > exp_of(2 * choice.spread)) text += ", far from typical";
  if (p.at_limit) text += ", stopped at what the device can do";
  return text;
}

std::string fit_text(const Question& q, const LogFit& fit) {
  std::string text = fmt::format(
      "fitted to the {} requests sent in the first {:g} s, in {} simulations{}; figures differ by {:.1f} "
      "times "
      "their noise\n",
      fit.requests, seconds(q.until), fit.simulations, fit.converged ? "" : ", DID NOT SETTLE", fit.misfit);
  for (size_t j = 0; j < q.fitted.size(); ++j) {
    const FittedParameter& p = fit.parameters[j];
    text += fmt::format("  {:<28} {:>10}   {}\n", q.fitted[j]->label, value_text(*q.fitted[j], p.value),
                        interval_text(*q.fitted[j], p));
  }
  for (const Parameter& p : q.stated)
    text += fmt::format("  {:<28} {:>10.4g}   {}: {}\n", p.name, p.value, p.provenance, p.source);
  for (const FittedParameter& p : fit.parameters) {
    if (!p.at_limit) continue;
    text +=
        "  the log asks for more than the device's peak: is --sku right, does a prefix cache save prompt "
        "tokens, are the tokens the server's own count?\n";
    break;
  }
  return text;
}

std::string comparison_text(const std::vector<LogComparison>& rows) {
  if (rows.empty()) return "  nothing\n";
  std::string text = fmt::format("  {:<20} {:<10} {:>8} {:>12} {:>12} {:>8}  {}\n", "tenant", "", "requests",
                                 "measured", "predicted", "ratio", "known to");
  for (const LogComparison& r : rows) {
    const std::string known = r.estimable ? fmt::format("+-{:.1f} %", 100 * r.half_width) : "not estimable";
    text += fmt::format("  {:<20} {:<10} {:>8} {:>9.1f} ms {:>9.1f} ms {:>8.3f}  {}\n", printable(r.tenant),
                        fmt::format("{} p{:g}", r.metric, 100 * r.quantile), r.requests, r.measured_s * 1e3,
                        r.predicted_s * 1e3, r.ratio(), known);
  }
  return text;
}

// What was predicted and not fitted. A quantile that cannot be known is no witness.
void add_holdouts(const std::vector<LogComparison>& rows, const std::string& log, Profile* profile) {
  for (const LogComparison& r : rows) {
    if (!r.estimable || r.measured_s <= 0) continue;
    profile->holdouts.push_back(
        {profile->models.front().name + "/request",
         fmt::format("{} p{:g} of {} requests of {} in {}", r.metric, 100 * r.quantile, r.requests,
                     printable(r.tenant), printable(log)),
         r.predicted_s, r.measured_s});
  }
}

// Replays a log on the profile; prints, and keeps as hold-outs, how well what was sent from `from` on is
// predicted.
Result<bool> predict(const NamedReplay& named, Duration from, Profile* profile) {
  const Result<std::vector<RequestTimes>> times = named.replay.run(*profile);
  if (!times.ok()) return times.problems();
  const std::vector<LogComparison> rows = compare(named.replay, times.value(), from);
  std::fputs(comparison_text(rows).c_str(), stdout);
  add_holdouts(rows, named.name, profile);
  return true;
}

// The other logs, whole.
Result<bool> predict_others(const Question& q, Profile* profile) {
  for (const NamedReplay& other : q.others) {
    std::fputs(("\n" + text_of(other) + "predicted:\n").c_str(), stdout);
    if (const Result<bool> done = predict(other, Duration{}, profile); !done.ok()) return done.problems();
  }
  return true;
}

CommandLine command_line() {
  CommandLine line(
      "calibrate --from-requests LOG --scenario FILE --sku NAME [options]",
      "Fits the few figures of a modelled profile to a log of requests that a server answered: the log's "
      "arrivals are simulated on the scenario's server until the times agree. The profile is labelled "
      "\"fitted\" wherever it is used. docs/command-line.md lists the columns that a log may have.",
      {});
  line.word("from-requests", "the log: CSV with a header line, or a JSON object a line");
  line.word("scenario", "states the server: pool, model and tenancy; its tenants give way to the log's");
  line.word("sku", "the device, from the catalogue: memory and peaks");
  line.word("fit-until", "fit what was sent until then, predict the rest (default: two thirds of the time)");
  line.words("predict", "another log of the same server, to be predicted only; may be repeated");
  line.word("with", "a profile that is there already: fits nothing, predicts the whole log and --predict");
  add_scenario_options(line);
  common_options(&line);
  return line;
}

// What is asked of the device and the model, for a fit.
Diagnostics read_shape(const CommandLine& line, Question* q) {
  const Result<Catalog> catalog = catalog_in(line.word_or("catalog", "scenarios/catalog"));
  if (!catalog.ok()) return catalog.problems();
  Diagnostics problems;
  const auto add = [&](const auto& result) {
    if (!result.ok()) problems.insert(problems.end(), result.problems().begin(), result.problems().end());
    return result.ok();
  };
  const Result<CatalogSku> sku = sku_named(catalog.value(), line.word_or("sku", ""));
  const Result<CatalogModel> model = model_named(catalog.value(), q->log.replay.model().shape);
  const Result<ProfilePlace> place = profile_place(line, q->log.replay.profile_name());
  if (add(sku)) q->shape.device = peaks_of(sku.value());
  if (add(place)) q->place = place.value();
  if (!add(model)) return problems;
  q->shape.decoders = {decoder_of(model.value())};
  add(choose(line, q->log.replay.logged().clock, q));
  return problems;
}

Result<Question> read_question(const CommandLine& line) {
  if (!line.has("scenario"))
    return usage_problem("--scenario names the file that states the server", "--scenario server.yaml");
  const Result<Scenario> server = load_scenario_text(line);
  if (!server.ok()) return server.problems();
  Result<NamedReplay> log = replay_named(line, server.value(), line.word_or("from-requests", ""));
  if (!log.ok()) return log.problems();
  Question q{.log = std::move(log).value(),
             .others = {},
             .until = {},
             .shape = {},
             .fitted = {},
             .stated = {},
             .place = {}};
  for (const std::string& name : line.words_of("predict")) {
    Result<NamedReplay> other = replay_named(line, server.value(), name);
    if (!other.ok()) return other.problems();
    q.others.push_back(std::move(other).value());
  }
  const Result<Duration> until = until_of(line, q.log.replay.logged());
  if (!until.ok()) return until.problems();
  q.until = until.value();
  if (line.has("with")) return q;
  if (const Diagnostics problems = read_shape(line, &q); !problems.empty()) return problems;
  return q;
}

// The profile of the answer, labelled as such.
Profile fitted_profile(const Question& q, const LogFit& fit) {
  std::vector<double> values;
  values.reserve(fit.parameters.size());
  for (const FittedParameter& p : fit.parameters) values.push_back(p.value);
  Profile profile = profile_with(q, values);
  const std::string log = printable(q.log.name);
  profile.mode = "fitted";
  profile.versions = fmt::format("fitted to {} requests of {}, from the peaks of {}: {}", fit.requests, log,
                                 q.shape.device.name, q.shape.device.source);
  profile.device.name = q.shape.device.name + " (fitted)";
  for (Parameter& p : profile.parameters) {
    for (size_t j = 0; j < q.fitted.size(); ++j) {
      if (p.name == q.fitted[j]->name)
        p.source = fmt::format("{}: {}", log, interval_text(*q.fitted[j], fit.parameters[j]));
    }
  }
  return profile;
}

// --with: nothing is fitted and nothing written.
Exit predict_only(const CommandLine& line, const Question& q) {
  Result<Profile> read = read_profile(profile_path(line.word_or("with", ""), "."));
  if (!read.ok()) return refuse(read.problems());
  Profile profile = std::move(read).value();
  std::fputs("predicted:\n", stdout);
  Result<bool> done = predict(q.log, Duration{}, &profile);
  if (done.ok()) done = predict_others(q, &profile);
  return done.ok() ? Exit::ok : refuse(done.problems());
}

Exit fit(const Question& q) {
  LogFitQuestion asked{.replay = &q.log.replay, .until = q.until, .parameters = {}, .profile_of = {}};
  for (const Choice* choice : q.fitted)
    asked.parameters.push_back({choice->name, choice->start, choice->spread, choice->most});
  asked.profile_of = [&](const std::vector<double>& values) { return profile_with(q, values); };
  const Result<LogFit> fitted = fit_to_log(asked);
  if (!fitted.ok()) return refuse(fitted.problems());
  std::fputs((fit_text(q, fitted.value()) + "held out, sent after that:\n").c_str(), stdout);
  Profile profile = fitted_profile(q, fitted.value());
  Result<bool> done = predict(q.log, q.until, &profile);
  if (done.ok()) done = predict_others(q, &profile);
  if (!done.ok()) return refuse(done.problems());
  return store(std::move(profile), q.place, "");
}

}  // namespace

Exit fit_profile_command(const Arguments& arguments) {
  CommandLine line = command_line();
  if (const auto parsed = line.parse(arguments); !parsed.ok()) return refuse(parsed.problems());
  if (line.wants_help()) {
    std::fputs(line.help().c_str(), stdout);
    return Exit::ok;
  }
  const Result<Question> read = read_question(line);
  if (!read.ok()) return refuse(read.problems());
  const Question& q = read.value();
  std::fputs((text_of(q.log) + q.log.replay.server() + "\n").c_str(), stdout);
  return line.has("with") ? predict_only(line, q) : fit(q);
}

}  // namespace cotenant
