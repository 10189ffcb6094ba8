#pragma once
#include <optional>
#include <string>

#include "reports/plots/plots.h"
#include "reports/tables/escape.h"

namespace cotenant {

// An SVG that may stand inside an HTML page: only inline_svg() makes one.
class SanitisedSvg {
 public:
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  friend std::optional<SanitisedSvg> inline_svg(const Plot& plot);
  explicit SanitisedSvg(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// Rebuilds the picture from a list of known elements and attributes: no script, style, link to elsewhere,
// event or foreign content gets through. Ids are prefixed by the plot's id, so that several pictures live in
// one page. Adds title and description for readers who do not see it. Nothing when the input is no SVG.
std::optional<SanitisedSvg> inline_svg(const Plot& plot);

}  // namespace cotenant
