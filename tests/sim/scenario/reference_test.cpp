#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "sim/scenario/read.h"
#include "sim/scenario/scenario_table.h"

using namespace cotenant;

namespace {

// Every path of the table with <name> and N as the reference writes them.
void collect(const std::string& path, const FieldDoc& doc, std::vector<std::string>& out) {
  out.push_back(path);
  const std::string below = doc.shape == FieldDoc::Shape::named  ? path + ".<" + doc.name_word + ">"
                            : doc.shape == FieldDoc::Shape::list ? path + ".N"
                                                                 : path;
  for (const FieldDoc& field : doc.fields) collect(below + "." + field.key, field, out);
}

std::vector<std::string> all_paths() {
  std::vector<std::string> out;
  for (const Field<Scenario>& field : scenario_table()) collect(field.doc.key, field.doc, out);
  return out;
}

// Every row has help, a type and, for values, an example that reads.
void check_doc(const FieldDoc& doc) {
  INFO(doc.key);
  REQUIRE_FALSE(doc.help.empty());
  REQUIRE(doc.help.find('\n') == std::string::npos);
  if (doc.shape == FieldDoc::Shape::scalar) {
    REQUIRE_FALSE(doc.type.empty());
    REQUIRE_FALSE(doc.example.empty());
    REQUIRE_FALSE(doc.schema.empty());
  }
  for (const FieldDoc& field : doc.fields) check_doc(field);
}

}  // namespace

TEST_CASE("every key is documented, explained and on the reference page") {
  for (const Field<Scenario>& field : scenario_table()) check_doc(field.doc);
  const std::string page = reference_page();
  for (const std::string& path : all_paths()) {
    INFO(path);
    REQUIRE_FALSE(explain(path).empty());
    REQUIRE(page.find("| `" + path + "` |") != std::string::npos);
  }
}

TEST_CASE("explain follows a user's own names and knows no other path") {
  REQUIRE(explain("tenants.gold.load.arrivals").find("type: arrival law") != std::string::npos);
  REQUIRE(explain("tenants.gold.load.arrivals").find("gamma rate=") != std::string::npos);
  REQUIRE(explain("expect.that").find("latency.ttft.p99") != std::string::npos);
  REQUIRE(explain("expect.0.that").find("latency.ttft.p99") != std::string::npos);
  REQUIRE(explain("pools").find("max-delay") != std::string::npos);
  REQUIRE(explain("window.report").find("default: 1 day") != std::string::npos);
  REQUIRE(explain("horizon").find("default: required") != std::string::npos);
  for (const char* path : {"", ".", "nothing", "horizon.x", "tenants.gold.lod", "expect.x.that", "seed."}) {
    INFO(path);
    REQUIRE(explain(path).empty() == (std::string(path) != "seed."));
  }
}

TEST_CASE("the schema is JSON that knows every top key and refuses others") {
  const nlohmann::json schema = nlohmann::json::parse(json_schema());
  REQUIRE(schema["$schema"] == "https://json-schema.org/draft/2020-12/schema");
  REQUIRE(schema["additionalProperties"] == false);
  REQUIRE(schema["properties"].size() == scenario_table().size());
  REQUIRE(schema["required"].size() == 9);
  const nlohmann::json& tier = schema["properties"]["tenants"]["additionalProperties"];
  REQUIRE(tier["properties"]["load"]["properties"]["trace"]["required"][0] == "file");
  REQUIRE(schema["properties"]["policy"]["additionalProperties"]["enum"].size() == 3);
  REQUIRE(schema["properties"]["expect"]["items"]["anyOf"].size() == 2);
}
