// Public: class PlotScript, series_style, part_colour. The only file that includes gnuplot-iostream, whose
// stream writes the script into anonymous memory; gnuplot itself is started by gnuplot_process.cpp.
#include "reports/plots/plot_script.h"

#include <fmt/format.h>
#include <gnuplot-iostream.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <stdexcept>

#include "sim/core/check.h"

namespace cotenant {
namespace {

constexpr std::array<SeriesStyle, 6> kStyles = {{{"#0072B2", "1", 7},
                                                 {"#B34E00", "(14,6)", 5},
                                                 {"#007A58", "(3,4)", 9},
                                                 {"#8A3D86", "(14,4,3,4)", 13},
                                                 {"#5B5B5B", "(8,3)", 11},
                                                 {"#996F00", "(14,3,3,3,3,3)", 15}}};
constexpr std::array<const char*, 5> kParts = {"#0B4F83", "#5FA8D3", "#E69F00", "#F3D9A4", "#C4C4C4"};

constexpr double kWidth = 560;
constexpr double kHeight = 320;
constexpr double kCharacter = 7.3;  // px, DejaVu Sans at 12 px
constexpr double kLeft = 88;
constexpr double kTop = 14;
constexpr double kBottom = 62;
constexpr double kBottomBare = 34;  // without a title below the axis

std::string number(double v) {
  return std::isfinite(v) ? fmt::format("{:.10g}", v) : "NaN";
}

// gnuplot names whole decades only: an axis of less than two may show one number, or none.
std::string log_tics(double low, double high) {
  if (!(low > 0) || high / low > 200) return "set mytics 10\n";
  std::string tics;
  const auto first = static_cast<int>(std::floor(std::log10(low)));
  const auto last = static_cast<int>(std::floor(std::log10(high)));
  for (int power = first; power <= last; ++power) {
    const double decade = std::pow(10.0, power);
    for (const double step : {1.0, 2.0, 5.0}) {
      const double v = step * decade;
      if (v < low || v > high) continue;
      tics += fmt::format("{}'{:g}' {}", tics.empty() ? "" : ", ", v, number(v));
    }
  }
  return tics.empty() ? "" : "set ytics (" + tics + ")\n";
}

}  // namespace

const SeriesStyle& series_style(size_t index) {
  return kStyles[index % kStyles.size()];
}
const char* part_colour(size_t index) {
  return kParts[index % kParts.size()];
}

// The Gnuplot object owns the file and closes it.
struct PlotScript::Stream {
  explicit Stream(FILE* file) : gnuplot(file), memory(file) {}
  Gnuplot gnuplot;
  FILE* memory;
};

PlotScript::PlotScript(const PlotFrame& frame) : frame_(frame) {
  const int fd = ::memfd_create("plot", MFD_CLOEXEC);
  FILE* memory = fd < 0 ? nullptr : ::fdopen(fd, "w+");
  if (memory == nullptr) throw std::runtime_error("cannot reserve memory for a plot");
  stream_ = std::make_unique<Stream>(memory);
  const double right = kWidth - 14 - kCharacter * static_cast<double>(frame.label_columns);
  stream_->gnuplot << fmt::format(
      "set terminal svg size {},{} font 'DejaVu Sans,12' noenhanced background '#ffffff'\n"
      "set encoding utf8\nset datafile missing 'NaN'\nset key off\n"
      "set border 3 lc rgb '#555555'\nset tics nomirror out textcolor rgb '#444444'\n"
      "set grid ytics lt 1 lw 1 lc rgb '#e3e3e3'\nset bars small\n"
      "set lmargin at screen {:.5f}\nset rmargin at screen {:.5f}\n"
      "set tmargin at screen {:.5f}\nset bmargin at screen {:.5f}\n",
      kWidth, kHeight, kLeft / kWidth, right / kWidth, 1 - kTop / kHeight,
      (frame.x_title.empty() ? kBottomBare : kBottom) / kHeight);
  stream_->gnuplot << fmt::format("set xrange [{}:{}]\nset yrange [{}:{}]\n", number(frame.x_low),
                                  number(frame.x_high), number(frame.y_low), number(frame.y_high));
  if (frame.x_log) stream_->gnuplot << "set logscale x\n";
  if (frame.y_log) stream_->gnuplot << "set logscale y\n" << log_tics(frame.y_low, frame.y_high);
  if (!frame.x_tics) stream_->gnuplot << "unset xtics\n";
  stream_->gnuplot << "set xlabel " << GnuplotSink::quote(frame.x_title).text()
                   << " textcolor rgb '#222222'\n";
  stream_->gnuplot << "set ylabel " << GnuplotSink::quote(frame.y_title).text()
                   << " textcolor rgb '#222222'\n";
}

PlotScript::~PlotScript() = default;

std::string PlotScript::data(const std::vector<std::vector<double>>& rows) {
  std::string name = fmt::format("$d{}", blocks_++);
  stream_->gnuplot << name << " << EOD\n";
  for (const std::vector<double>& row : rows) {
    for (const double v : row) stream_->gnuplot << number(v) << ' ';
    stream_->gnuplot << '\n';
  }
  stream_->gnuplot << "EOD\n";
  return name;
}

void PlotScript::element(const std::string& text) {
  elements_.push_back(text);
}

void PlotScript::command(const std::string& text) {
  stream_->gnuplot << text << '\n';
}

void PlotScript::label(const std::string& raw, double x, double y, const char* align, const char* colour) {
  command(fmt::format("set label {} {} at first {}, first {} {} front textcolor rgb '{}'", ++labels_,
                      GnuplotSink::quote(raw).text(), number(x), number(y), align, colour));
}

void PlotScript::label_below(const std::string& raw, double x, double y) {
  command(fmt::format("set label {} {} at first {}, graph {} center front textcolor rgb '#222222'", ++labels_,
                      GnuplotSink::quote(raw).text(), number(x), number(y)));
}

double PlotScript::y_share(double y) const {
  if (frame_.y_log) return std::log(y / frame_.y_low) / std::log(frame_.y_high / frame_.y_low);
  return (y - frame_.y_low) / (frame_.y_high - frame_.y_low);
}

void PlotScript::line_ends(std::vector<LineEnd> ends) {
  constexpr double apart = 0.065;
  std::stable_sort(ends.begin(), ends.end(), [](const LineEnd& a, const LineEnd& b) { return a.y < b.y; });
  std::vector<double> shares;
  shares.reserve(ends.size());
  for (const LineEnd& end : ends) shares.push_back(std::clamp(y_share(end.y), 0.0, 1.0));
  for (size_t i = 1; i < shares.size(); ++i) shares[i] = std::max(shares[i], shares[i - 1] + apart);
  // Those that were pushed above the frame come down again.
  for (size_t i = shares.size(); i-- > 0;) {
    const double top = i + 1 < shares.size() ? shares[i + 1] - apart : 1.0;
    shares[i] = std::min(shares[i], top);
  }
  for (size_t i = 0; i < ends.size(); ++i) {
    command(fmt::format("set label {} {} at graph 1.015, graph {:.4f} left front textcolor rgb '{}'",
                        ++labels_, GnuplotSink::quote(ends[i].raw).text(), shares[i], ends[i].colour));
  }
}

void PlotScript::limit(double y, const std::string& raw) {
  command(fmt::format(
      "set arrow from graph 0, first {0} to graph 1, first {0} nohead lw 1 dt (6,3) lc rgb '#333333'",
      number(y)));
  command(
      fmt::format("set label {} {} at graph 0.015, first {} left offset 0,0.6 front textcolor rgb '#333333'",
                  ++labels_, GnuplotSink::quote(raw).text(), number(y)));
}

void PlotScript::region_above(double y, const std::string& raw) {
  command(
      fmt::format("set object 1 rectangle from graph 0, first {} to graph 1, graph 1 behind fc rgb '#f1f1f1' "
                  "fs solid noborder",
                  number(y)));
  command(fmt::format("set label {} {} at graph 0.985, graph 0.955 right front textcolor rgb '#333333'",
                      ++labels_, GnuplotSink::quote(raw).text()));
}

void PlotScript::whiskers(const std::string& block, const char* colour) {
  element(fmt::format("{} using 1:3:5:6 with vectors nohead lw 1.3 lc rgb '{}' notitle", block, colour));
}

std::vector<double> PlotScript::whisker_row(double x, const Figure& figure, double scale) {
  const bool there = figure.known() && figure.has_interval();
  const double low = there ? figure.low * scale : figure.mean * scale;
  const double high = there ? figure.high * scale : figure.mean * scale;
  return {x, figure.mean * scale, low, high, 0, high - low};
}

void PlotScript::legend(const std::vector<LegendEntry>& entries) {
  for (size_t i = 0; i < entries.size(); ++i) {
    const double y = 0.96 - 0.078 * static_cast<double>(i);
    command(fmt::format(
        "set object {} rectangle from graph 1.02, graph {:.3f} to graph 1.045, graph {:.3f} noclip "
        "fc rgb '{}' fs solid noborder",
        i + 10, y - 0.022, y + 0.022, entries[i].colour));
    command(fmt::format("set label {} {} at graph 1.06, graph {:.3f} left front textcolor rgb '#222222'",
                        ++labels_, GnuplotSink::quote(entries[i].raw).text(), y));
  }
}

std::string PlotScript::finish() {
  CHECK(!elements_.empty());
  stream_->gnuplot << "plot ";
  for (size_t i = 0; i < elements_.size(); ++i) stream_->gnuplot << (i > 0 ? ", \\\n  " : "") << elements_[i];
  stream_->gnuplot << '\n' << std::flush;
  std::string script;
  std::array<char, 16'384> buffer{};
  std::rewind(stream_->memory);
  for (size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), stream_->memory)) > 0;)
    script.append(buffer.data(), n);
  return script;
}

}  // namespace cotenant
