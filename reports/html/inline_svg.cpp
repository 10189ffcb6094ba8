// Public: inline_svg.
#include "reports/html/inline_svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <pugixml.hpp>
#include <string_view>

namespace cotenant {
namespace {

constexpr int kDepthMax = 40;
constexpr std::array<std::string_view, 12> kElements = {
    "circle", "defs", "g", "line", "path", "polygon", "rect", "polyline", "text", "tspan", "use", "ellipse"};
constexpr std::array<std::string_view, 27> kAttributes = {"color",
                                                          "cx",
                                                          "cy",
                                                          "d",
                                                          "fill",
                                                          "fill-opacity",
                                                          "font-size",
                                                          "font-style",
                                                          "height",
                                                          "opacity",
                                                          "points",
                                                          "r",
                                                          "rx",
                                                          "ry",
                                                          "stroke",
                                                          "stroke-dasharray",
                                                          "width",
                                                          "transform",
                                                          "stroke-width",
                                                          "stroke-linecap",
                                                          "stroke-linejoin",
                                                          "text-anchor",
                                                          "x",
                                                          "x1",
                                                          "x2",
                                                          "y1",
                                                          "y2"};

template <size_t N>
bool listed(const std::array<std::string_view, N>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

// Values of drawing attributes are numbers, names of colours and path letters; a colon or a url() is none of
// these.
bool is_harmless(std::string_view value) {
  return value.find(':') == std::string_view::npos && value.find("url") == std::string_view::npos;
}

class Rebuilder {
 public:
  explicit Rebuilder(std::string prefix) : prefix_(std::move(prefix)) {}

  // Children of `parent`, rebuilt.
  std::string children(const pugi::xml_node& parent, bool in_text, int depth) {
    std::string out;
    if (depth > kDepthMax) return out;
    for (const pugi::xml_node& node : parent.children()) {
      if (node.type() == pugi::node_pcdata && in_text) out += HtmlSink::escape(node.value()).text();
      if (node.type() == pugi::node_element) out += element(node, in_text, depth);
    }
    return out;
  }

 private:
  std::string element(const pugi::xml_node& node, bool in_text, int depth) {
    const std::string_view name = node.name();
    if (!listed(kElements, name)) return "";
    const bool text = in_text || name == "text";
    const std::string inner = children(node, text, depth + 1);
    if (inner.empty() && (name == "g" || name == "defs" || name == "text")) return "";
    return fmt::format("<{0}{1}>{2}</{0}>", name, attributes(node), inner);
  }

  std::string attributes(const pugi::xml_node& node) {
    std::string out;
    for (const pugi::xml_attribute& attribute : node.attributes()) {
      const std::string_view name = attribute.name();
      const std::string_view value = attribute.value();
      const bool link = (name == "href" || name == "xlink:href") && value.starts_with('#');
      if (link) out += fmt::format(" href=\"#{}{}\"", prefix_, HtmlSink::escape(value.substr(1)).text());
      if (name == "id") out += fmt::format(" id=\"{}{}\"", prefix_, HtmlSink::escape(value).text());
      const bool drawn = listed(kAttributes, name) || name == "y";
      if (drawn && is_harmless(value))
        out += fmt::format(" {}=\"{}\"", name, HtmlSink::escape(squeezed(value)).text());
    }
    return out;
  }

  // White space runs become one space: gnuplot wraps long paths.
  static std::string squeezed(std::string_view value) {
    std::string out;
    for (const char c : value) {
      const bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
      if (!space) {
        out += c;
      } else if (!out.empty() && out.back() != ' ') {
        out += ' ';
      }
    }
    if (out.ends_with(' ')) out.pop_back();
    return out;
  }

  std::string prefix_;
};

}  // namespace

std::optional<SanitisedSvg> inline_svg(const Plot& plot) {
  pugi::xml_document document;
  if (!document.load_buffer(plot.svg.data(), plot.svg.size(),
                            pugi::parse_default | pugi::parse_ws_pcdata_single)) {
    return std::nullopt;
  }
  const pugi::xml_node root = document.child("svg");
  const std::string_view box = root.attribute("viewBox").value();
  if (!root || box.find_first_not_of("0123456789. ") != std::string_view::npos) return std::nullopt;
  const std::string id = HtmlSink::escape(plot.id).text();
  std::string out = fmt::format(
      "<svg role=\"img\" aria-labelledby=\"{0}-t {0}-d\" viewBox=\"{1}\" "
      "xmlns=\"http://www.w3.org/2000/svg\">"
      "<title id=\"{0}-t\">{2}</title><desc id=\"{0}-d\">{3}</desc>",
      id, box, HtmlSink::escape(plot.title).text(), HtmlSink::escape(plot.caption).text());
  out += Rebuilder(id + "-").children(root, false, 0);
  return SanitisedSvg(out + "</svg>");
}

}  // namespace cotenant
