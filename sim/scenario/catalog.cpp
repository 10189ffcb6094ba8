// Public here: read_catalog, Catalog::find_sku, Catalog::find_model.
#include "sim/scenario/catalog.h"

#include <algorithm>

#include "sim/scenario/codecs.h"

namespace cotenant {
namespace {

constexpr size_t kEntriesMax = 1000;

// `989 TFLOP/s`, in flop per second.
Codec<double> flop_rate_codec() {
  Codec<double> codec;
  codec.type = "arithmetic rate";
  codec.example = "989 TFLOP/s";
  codec.range = "1 GFLOP/s .. 1e6 TFLOP/s";
  codec.parse = [range = codec.range](const std::string& text, const TextContext&) -> Parsed<double> {
    const TextProblem wrong{"this is no arithmetic rate", "write for example 989 TFLOP/s; " + range};
    const Parsed<Decimal> number = leading_decimal(text);
    if (!number.ok()) return wrong;
    const std::string unit =
        text.substr(std::min(text.find_first_not_of(' ', number.value().length), text.size()));
    const int shift = unit == "TFLOP/s" ? 12 : unit == "GFLOP/s" ? 9 : unit == "PFLOP/s" ? 15 : 0;
    const auto rate = to_double(number.value(), shift);
    if (shift == 0 || !rate || *rate < 1e9 || *rate > 1e18) return wrong;
    return *rate;
  };
  codec.print = [](const double& rate, const TextContext&) {
    return rate > 0 ? number_text(rate, -12) + " TFLOP/s" : std::string();
  };
  return codec;
}

const Table<CatalogSku>& sku_table() {
  using S = CatalogSku;
  static const Table<S> table = {
      scalar_field<S>("kind", one_of_codec({"gpu", "cpu", "accelerator"}), &S::kind, "what it is"),
      scalar_field<S>("peak", flop_rate_codec(), &S::peak_flop_per_s, "dense arithmetic, bf16 on GPUs")
          .required(),
      scalar_field<S>("memory", bytes_codec({1'000'000}, {1'000'000'000'000'000}), &S::memory,
                      "of one device")
          .required(),
      scalar_field<S>("memory-bandwidth", bandwidth_codec(), &S::memory_byte_per_s,
                      "of the device's own memory")
          .required(),
      scalar_field<S>("host-bandwidth", bandwidth_codec(), &S::host_byte_per_s,
                      "between host and device, one direction")
          .required(),
      scalar_field<S>("status", one_of_codec({"cited", "assumed"}), &S::status, "cited: the source says so")
          .required(),
      scalar_field<S>("source", text_codec("a vendor's data sheet"), &S::source, "where the figures stand")
          .required(),
      scalar_field<S>("as-of", date_codec(), &S::as_of, "the day they were read").required(),
  };
  return table;
}

const Table<CatalogModel>& model_table() {
  using M = CatalogModel;
  static const Table<M> table = {
      scalar_field<M>("layers", whole_codec(1, 10'000), &M::layers, "decoder layers").required(),
      scalar_field<M>("hidden", whole_codec(1, 1'000'000), &M::hidden, "width of the residual stream")
          .required(),
      scalar_field<M>("heads", whole_codec(1, 10'000), &M::heads, "query heads").required(),
      scalar_field<M>("kv-heads", whole_codec(1, 10'000), &M::kv_heads, "key and value heads").required(),
      scalar_field<M>("head-size", whole_codec(1, 10'000), &M::head_dim, "values of one head").required(),
      scalar_field<M>("ffn", whole_codec(1, 10'000'000), &M::ffn, "width of the feed-forward layer")
          .required(),
      scalar_field<M>("vocabulary", whole_codec(1, 10'000'000), &M::vocabulary, "tokens").required(),
      scalar_field<M>("source", text_codec("the model's config.json"), &M::source, "where the sizes stand")
          .required(),
      scalar_field<M>("as-of", date_codec(), &M::as_of, "the day they were read").required(),
  };
  return table;
}

const Table<Catalog>& catalog_table() {
  static const Table<Catalog> table = {
      named<Catalog, CatalogSku>({"skus", "SKU", NameRule::identifier, kEntriesMax, "kinds of device"},
                                 &Catalog::skus, &CatalogSku::name, sku_table()),
      named<Catalog, CatalogModel>({"models", "model", NameRule::shape, kEntriesMax, "sizes of models"},
                                   &Catalog::models, &CatalogModel::name, model_table()),
  };
  return table;
}

void check_models(const Catalog& catalog, const YamlNode& root, Problems& problems) {
  const YamlNode* entries = find_node(root, {"models"});
  for (const CatalogModel& model : catalog.models) {
    const YamlNode* entry = entries == nullptr ? nullptr : child(*entries, model.name);
    const YamlNode* heads = entry == nullptr ? nullptr : child(*entry, "kv-heads");
    if (heads == nullptr || model.kv_heads <= 0 || model.heads % model.kv_heads == 0) continue;
    problems.add(*heads, {"query heads share KV heads in equal groups", "a divisor of heads"});
  }
}

template <class Entry>
const Entry* find_in(const std::vector<Entry>& entries, const std::string& name) {
  const auto it =
      std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.name == name; });
  return it == entries.end() ? nullptr : &*it;
}

}  // namespace

const CatalogSku* Catalog::find_sku(const std::string& name) const {
  return find_in(skus, name);
}
const CatalogModel* Catalog::find_model(const std::string& name) const {
  return find_in(models, name);
}

Result<Catalog> read_catalog(const std::string& text, const std::string& file) {
  Problems problems;
  problems.add_source(split_lines(file, text.size() > kScenarioBytesMax ? "" : text));
  YamlNode root;
  if (!parse_tree(text, 0, problems, root)) return problems.take();
  Reader reader{problems, {}};
  Catalog catalog;
  read_fields(root, catalog_table(), catalog, reader);
  if (problems.count() == 0) check_models(catalog, root, problems);
  if (problems.count() > 0) return problems.take();
  return catalog;
}

}  // namespace cotenant
