#include "sim/scenario/read.h"

#include <exception>

#include "sim/scenario/codecs.h"
#include "sim/scenario/cross_checks.h"
#include "sim/scenario/overrides.h"
#include "sim/scenario/scenario_table.h"

namespace cotenant {
namespace {

Result<Scenario> read_checked(const std::string& text, const std::string& file,
                              const std::vector<Override>& overrides) {
  Problems problems;
  // A text that is far too large is refused before it is split into lines.
  problems.add_source(split_lines(file, text.size() > kScenarioBytesMax ? "" : text));
  YamlNode root;
  if (!parse_tree(text, 0, problems, root)) return problems.take();
  apply_overrides(overrides, docs_of(scenario_table()), root, problems);
  Reader reader{problems, {}};
  // Amounts are read against the currency, wherever it stands; one that is no currency is reported once.
  const YamlNode* currency = find_node(root, {"prices", "currency"});
  if (currency != nullptr && currency_codec().parse(currency->text, {}).ok()) {
    reader.context.currency = currency->text;
  }
  Scenario scenario;
  read_fields(root, scenario_table(), scenario, reader);
  if (root.kind == YamlNode::Kind::map) check_scenario(scenario, root, problems);
  if (problems.count() > 0) return problems.take();
  scenario.file = file;
  return scenario;
}

}  // namespace

Result<Scenario> read_scenario(const std::string& text, const std::string& file,
                               const std::vector<Override>& overrides) {
  try {
    return read_checked(text, file, overrides);
  } catch (const std::exception& e) {
    Diagnostic problem;
    problem.file = file;
    problem.message = std::string("this scenario cannot be read: ") + e.what();
    return problem;
  }
}

std::string resolved_text(const Scenario& scenario) {
  YamlText out(TextContext{scenario.prices.currency});
  write_fields(scenario, scenario_table(), out);
  return out.text();
}

}  // namespace cotenant
