#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "reports/tables/escape.h"
#include "reports/tables/figures.h"

namespace cotenant {

// How one series is told from another, also without colour.
struct SeriesStyle {
  const char* colour;  // "#0072B2"
  const char* dashes;  // gnuplot dash pattern
  int point;           // gnuplot point type
};
// Styles repeat after six. Colours after Okabe and Ito, "Color universal design" (2008), darkened for text.
const SeriesStyle& series_style(size_t index);
// Fills of stacked parts, dark to light.
const char* part_colour(size_t index);

struct PlotFrame {
  std::string id;  // [a-z-]; becomes the prefix of all ids in the SVG
  double x_low = 0, x_high = 1;
  double y_low = 0, y_high = 1;
  bool x_log = false;
  bool y_log = false;
  std::string x_title, y_title;  // raw
  size_t label_columns = 0;      // characters to keep free right of the frame
  bool x_tics = true;
};

// Composes one gnuplot script in memory. User text only enters through GnuplotText, data only as numbers in
// data blocks. One owner, one thread.
class PlotScript {
 public:
  explicit PlotScript(const PlotFrame& frame);
  ~PlotScript();
  PlotScript(const PlotScript&) = delete;
  PlotScript& operator=(const PlotScript&) = delete;

  // A data block; NaN is a gap. Returns its name, "$d0".
  std::string data(const std::vector<std::vector<double>>& rows);
  // One element of the plot command: "$d0 using 1:2 with lines ...": made by us, without user text.
  void element(const std::string& text);
  // One more command, made by us.
  void command(const std::string& text);

  // Text at (x, y) in the coordinates of the axes. align: "left", "center", "right".
  void label(const std::string& raw, double x, double y, const char* align, const char* colour);
  // Text where x counts in the axis and y in shares of the frame: below it where y < 0.
  void label_below(const std::string& raw, double x, double y);
  // Names at the right end of lines, moved apart where they would collide. y in the coordinates of the axis.
  struct LineEnd {
    std::string raw;
    double y = 0;
    const char* colour = "";
  };
  void line_ends(std::vector<LineEnd> ends);
  // Names behind a patch of their colour, from the upper right corner down.
  struct LegendEntry {
    std::string raw;
    const char* colour = "";
  };
  void legend(const std::vector<LegendEntry>& entries);
  // A horizontal line with its words above the left end.
  void limit(double y, const std::string& raw);
  // Shades what lies above, with its words in the upper right corner.
  void region_above(double y, const std::string& raw);
  // The interval of every row as a vertical line. Rows as whisker_row() makes them: x, mean, low, high, and
  // the line as a vector (0, high - low): gnuplot's own error bars cut holes into lines below them.
  void whiskers(const std::string& block, const char* colour);
  static std::vector<double> whisker_row(double x, const Figure& figure, double scale);

  // The whole script. Call once, last.
  std::string finish();

 private:
  double y_share(double y) const;
  PlotFrame frame_;
  struct Stream;
  std::unique_ptr<Stream> stream_;
  std::vector<std::string> elements_;
  size_t blocks_ = 0;
  size_t labels_ = 0;
};

}  // namespace cotenant
