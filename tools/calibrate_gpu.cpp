// Public: calibrate_gpu_command(), asks_for_gpu(), gpu_state().
#include "tools/calibrate_gpu.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>

#include "kernels/calibrate/gpu_calibration.h"
#include "kernels/cuda/open_gpu.h"
#include "reports/store/atomic_file.h"
#include "reports/store/results_file.h"
#include "tools/command_line.h"
#include "tools/file_bytes.h"
#include "tools/interrupt.h"
#include "tools/profile_options.h"
#include "tools/progress.h"
#include "tools/show_results.h"

namespace cotenant {
namespace {

bool is_file_name(const std::string& name) {
  const std::string allowed = "abcdefghijklmnopqrstuvwxyz0123456789_-";
  return !name.empty() && name.size() <= 64 && name.find_first_not_of(allowed) == std::string::npos;
}

void append_list(std::string* text, const std::vector<std::string>& lines, size_t named) {
  for (size_t i = 0; i < std::min(named, lines.size()); ++i) *text += "\n  " + printable(lines[i]);
  if (lines.size() > named) *text += fmt::format("\n  and {} more", lines.size() - named);
}

std::string summary_of(const GpuCalibrated& c, const std::string& path) {
  const Profile& p = c.profile;
  size_t points = 0;
  for (const KernelTimes& kernel : p.kernels) points += kernel.settled.size();
  std::string text = fmt::format(
      "{}: {:.1f} TFLOP/s in bf16 products; {:.2f} TB/s read, {:.2f} TB/s copied, {:.1f} GB/s from the host; "
      "{} kernels, {} medians in {:.0f} s",
      printable(p.device.name), c.peaks.gemm_flop_per_s * 1e-12, c.peaks.read_byte_per_s * 1e-12,
      c.peaks.copy_byte_per_s * 1e-12, c.peaks.upload_byte_per_s * 1e-9, p.kernels.size(), points,
      c.elapsed_s);
  if (!p.holdouts.empty()) {
    const HoldOutError error = holdout_error(p);
    text += fmt::format("\nhold-out: {} shapes off the grid predicted within {:.1f} % (median)", error.count,
                        100 * error.median);
    if (p.mode != "quick") text += fmt::format(", {:.1f} % (p99)", 100 * error.p99);
    text += fmt::format(", {:.1f} % (greatest)", 100 * error.maximum);
  }
  if (!c.not_measurable.empty()) {
    text += "\nnot measurable on this device:";
    append_list(&text, c.not_measurable, c.not_measurable.size());
  }
  if (!c.late.kernels.empty()) {
    text += "\nnot in the profile, since there was no time for all their points:";
    append_list(&text, c.late.kernels, c.late.kernels.size());
  }
  if (c.late.holdouts > 0)
    text += fmt::format("\n{} hold-outs were skipped for lack of time", c.late.holdouts);
  if (!c.unsettled.empty()) {
    text += fmt::format("\n{} medians did not settle within 2 %, the worst of them:", c.unsettled.size());
    append_list(&text, c.unsettled, 5);
  }
  return text + fmt::format("\nprofile: {}\n", printable(path));
}

std::string progress_text(const CalibrationProgress& p) {
  const double rest =
      p.done > 0 ? p.elapsed_s * static_cast<double>(p.total - p.done) / static_cast<double>(p.done) : 0;
  return fmt::format("{} of {}, {:.0f} s, about {:.0f} s left: {}", p.done, p.total, p.elapsed_s, rest,
                     p.current);
}

// An interrupted calibration, and one that ran out of time, leave what is complete: a profile that some model
// can be simulated with, or else nothing but the names of what was lost.
Exit write_measured(const GpuCalibrated& c, const std::string& folder, const std::string& name) {
  if (!c.complete) std::fputs("interrupted before the end\n", stderr);
  if (!c.usable) {
    std::string text = "nothing was written: no model's kernels were all measured; these were, and are lost:";
    std::vector<std::string> kernels;
    for (const KernelTimes& kernel : c.profile.kernels) kernels.push_back(kernel.name);
    append_list(&text, kernels, kernels.size());
    std::fputs((text + "\n").c_str(), stderr);
    return c.complete ? Exit::not_measured : Exit::interrupted;
  }
  sweep_stale_temporaries(folder);
  write_profile(c.profile, folder, name + ".h5");
  std::fputs(summary_of(c, folder + "/" + name + ".h5").c_str(), stdout);
  if (!c.complete) return Exit::interrupted;
  return c.late.kernels.empty() ? Exit::ok : Exit::not_measured;
}

Exit measure_into(GpuCalibrationOptions options, const GpuCalibrationShapes& shapes,
                  const std::string& folder) {
  const cuda::OpenedGpu opened = cuda::open_gpu();
  if (opened.gpu == nullptr) {
    std::fputs(fmt::format("cotenant: no GPU can be measured here: {}\n", printable(opened.reason)).c_str(),
               stderr);
    return Exit::failed;
  }
  make_folder(folder);  // before the work, so that an unwritable place is known at once
  const std::atomic<bool>* interrupted = stop_on_interrupt();
  ProgressLine progress;
  options.stop = [interrupted] { return interrupted->load(); };
  options.on_progress = [&](const CalibrationProgress& p) { progress.show(progress_text(p)); };
  ThreadClock clock;
  const Result<GpuCalibrated> calibrated = calibrate_gpu(opened.gpu.get(), options, shapes, &clock);
  progress.clear();
  if (!calibrated.ok()) return refuse(calibrated.problems());
  return write_measured(calibrated.value(), folder, options.name);
}

}  // namespace

bool asks_for_gpu(const Arguments& arguments) {
  const auto device = std::find(arguments.begin(), arguments.end(), "--device");
  if (device != arguments.end() && device + 1 != arguments.end() && *(device + 1) == "cuda") return true;
  return std::find(arguments.begin(), arguments.end(), "--device=cuda") != arguments.end();
}

GpuState gpu_state() {
  const cuda::OpenedGpu opened = cuda::open_gpu();
  if (opened.gpu == nullptr) return {.there = false, .detail = opened.reason};
  const cuda::GpuFacts& facts = opened.gpu->facts();
  return {.there = true,
          .detail = fmt::format("{}, {:.0f} GB, {} multiprocessors, CUDA {}, cuBLAS {}", facts.name,
                                static_cast<double>(facts.memory_bytes) * 1e-9, facts.sm_count, facts.runtime,
                                facts.cublas)};
}

Exit calibrate_gpu_command(const Arguments& arguments) {
  CommandLine line("calibrate --device cuda [options]",
                   "Runs the real kernels on this machine's GPU and writes their times as a profile.", {});
  line.word("device", "cuda");
  line.flag("quick", "under 45 seconds: llama-3.1-8b and recommender-small (the default)");
  line.flag("full", "more points, samples and models, under four minutes");
  line.words("shape", "measure only these presets; may be repeated");
  line.word("filter", "regular expression: measure only the kernels that match");
  line.word("name", "name of the profile (default: local-gpu)");
  line.word("out", "folder for the profile (default: profiles)");
  line.whole("seed", "of weights and inputs (default: 1)");
  line.flag("force",
            "replace a measured profile of this name by a part of one, or a full one by a quick one");
  if (const auto parsed = line.parse(arguments); !parsed.ok()) return refuse(parsed.problems());
  if (line.wants_help()) {
    std::fputs(line.help().c_str(), stdout);
    return Exit::ok;
  }
  if (line.has("quick") && line.has("full")) return refuse_usage("--quick and --full exclude each other", "");
  GpuCalibrationOptions options{.quick = !line.has("full"),
                                .shapes = line.words_of("shape"),
                                .filter = line.word_or("filter", ""),
                                .seed = static_cast<uint64_t>(line.whole_of("seed").value_or(1)),
                                .name = line.word_or("name", "local-gpu"),
                                .stop = {},
                                .on_progress = {}};
  if (!is_file_name(options.name))
    return refuse_usage("--name takes 1 to 64 of a-z 0-9 _ -", "--name local-gpu");
  const std::string folder = line.word_or("out", "profiles");
  const NewProfile made = line.has("filter") || line.has("shape") ? NewProfile::part
                          : options.quick                         ? NewProfile::quick
                                                                  : NewProfile::full;
  if (const auto lost = would_lose(line, {folder, options.name}, made)) return refuse({*lost});
  const Result<GpuCalibrationShapes> shapes = gpu_calibration_shapes(options);
  if (!shapes.ok()) return refuse(shapes.problems());
  return measure_into(std::move(options), shapes.value(), folder);
}

}  // namespace cotenant
