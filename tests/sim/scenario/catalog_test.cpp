#include "sim/scenario/catalog.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

namespace cotenant {
namespace {

std::string shipped(const char* name) {
  std::ifstream in(std::string(COTENANT_SOURCE_DIR) + "/scenarios/catalog/" + name);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string with(const std::string& from, const std::string& to) {
  std::string text =
      "skus:\n  card:\n    kind: gpu\n    peak: 100 TFLOP/s\n    memory: 80 GB\n    memory-bandwidth: 2 "
      "TB/s\n"
      "    host-bandwidth: 32 GB/s\n    status: cited\n    source: a sheet\n    as-of: 2026-11-01\n"
      "models:\n  m-1.5b:\n    layers: 2\n    hidden: 64\n    heads: 8\n    kv-heads: 2\n    head-size: 8\n  "
      "  ffn: 128\n"
      "    vocabulary: 1000\n    source: a page\n    as-of: 2026-11-01\n";
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string problem_with(const std::string& from, const std::string& to) {
  const Result<Catalog> read = read_catalog(with(from, to), "c.yaml");
  REQUIRE(!read.ok());
  return to_text(read.problems());
}

TEST_CASE("the shipped catalogues read, and say where each figure comes from") {
  const Result<Catalog> skus = read_catalog(shipped("skus.yaml"), "skus.yaml");
  INFO((skus.ok() ? "" : to_text(skus.problems())));
  REQUIRE(skus.ok());
  const CatalogSku* h200 = skus.value().find_sku("nvidia-h200-sxm-141gb");
  REQUIRE(h200 != nullptr);
  REQUIRE(h200->peak_flop_per_s == 989e12);
  REQUIRE(h200->memory_byte_per_s == 4'800'000'000'000);
  REQUIRE(h200->status == "cited");
  for (const CatalogSku& sku : skus.value().skus) REQUIRE(!sku.source.empty());
  const Result<Catalog> models = read_catalog(shipped("models.yaml"), "models.yaml");
  INFO((models.ok() ? "" : to_text(models.problems())));
  REQUIRE(models.ok());
  REQUIRE(models.value().find_model("llama-3.1-8b")->ffn == 14336);
  REQUIRE(models.value().find_model("llama") == nullptr);
}

TEST_CASE("a catalogue is read as strictly as a scenario") {
  REQUIRE(read_catalog(with("card", "card"), "c.yaml").ok());
  REQUIRE(problem_with("100 TFLOP/s", "100 TFLOPS").find("no arithmetic rate") != std::string::npos);
  REQUIRE(problem_with("100 TFLOP/s", "100").find("c.yaml:4:11") != std::string::npos);
  REQUIRE(problem_with("kv-heads: 2", "kv-heads: 3").find("equal groups") != std::string::npos);
  REQUIRE(problem_with("memory: 80 GB", "memory: 80").find("c.yaml:5") != std::string::npos);
  REQUIRE(problem_with("    source: a sheet\n", "").find("source") != std::string::npos);
  REQUIRE(problem_with("status: cited", "status: sure").find("cited") != std::string::npos);
  REQUIRE(problem_with("peak:", "speed:").find("unknown key `speed`") != std::string::npos);
  REQUIRE(problem_with("m-1.5b", ".m").find("no name") != std::string::npos);
}

}  // namespace
}  // namespace cotenant
