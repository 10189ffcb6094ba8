#pragma once
#include <array>
#include <string>
#include <vector>

#include "kernels/profile/profile.h"
#include "sim/ledger/rows.h"

namespace cotenant {

// What stands where in the two files, said once and used by writer and reader alike.
inline constexpr const char* kResultsSchema = "cotenant.results/2";
inline constexpr const char* kProfileSchema = "cotenant.profile/1";
inline constexpr const char* kAxisBucket = "bucket";
inline constexpr const char* kAxisLinear = "linear";
inline constexpr std::array kProvenances = {Provenance::measured, Provenance::imported, Provenance::fitted,
                                            Provenance::modelled, Provenance::assumed};

// v(name, field): the fields of the header that are attributes of the root.
template <class Self, class V>
void header_fields(Self& self, V&& v) {
  v("name", self.name), v("scenario_file", self.scenario_file), v("scenario_digest", self.scenario_digest);
  v("digest", self.digest), v("version", self.version), v("seed", self.seed);
  v("replications", self.replications), v("precision", self.precision);
  v("precision_of", self.precision_of), v("horizon_ns", self.horizon_ns), v("warmup_ns", self.warmup_ns);
  v("warmup_rule", self.warmup_rule);
  v("window_ns", self.window_ns), v("currency", self.currency), v("prices_as_of", self.prices_as_of);
  v("prices_source", self.prices_source);
}

template <class Self, class V>
void device_fields(Self& self, V&& v) {
  v("kind", self.kind), v("name", self.name), v("cores", self.cores), v("memory_bytes", self.memory_bytes);
  v("last_level_cache_bytes", self.last_level_cache_bytes), v("peak_flop_per_s", self.peak_flop_per_s);
  v("stream_byte_per_s", self.stream_byte_per_s);
}

template <class Visitor>
void model_fields(Visitor&& v) {
  using M = ModelFacts;
  v("name", "", &M::name), v("kind", "", &M::kind), v("parameters", "", &M::parameters);
  v("weight_bytes", "B", &M::weight_bytes), v("kv_bytes_per_token", "B", &M::kv_bytes_per_token);
  v("adapter_bytes_per_rank", "B", &M::adapter_bytes_per_rank), v("layers", "", &M::layers);
  v("hidden", "", &M::hidden);
}

template <class Visitor>
void holdout_fields(Visitor&& v) {
  using H = HoldOut;
  v("kernel", "", &H::kernel), v("shape", "", &H::shape), v("predicted_s", "s", &H::predicted_s);
  v("measured_s", "s", &H::measured_s);
}

template <class Visitor>
void corun_fields(Visitor&& v) {
  using C = CoRun;
  v("a", "", &C::a), v("b", "", &C::b), v("mode", "", &C::mode), v("slowdown_a_p50", "", &C::slowdown_a_p50);
  v("slowdown_a_p95", "", &C::slowdown_a_p95), v("slowdown_b_p50", "", &C::slowdown_b_p50);
  v("slowdown_b_p95", "", &C::slowdown_b_p95), v("samples", "", &C::samples);
  v("validity", "", &C::validity);
}

template <class Visitor>
void parameter_fields(Visitor&& v) {
  using P = Parameter;
  v("model", "", &P::model), v("name", "", &P::name), v("value", "", &P::value);
  v("provenance", "", &P::provenance), v("source", "", &P::source);
}

// v(path, times): columns that a profile may lack.
template <class Self, class V>
void reference_fields(Self& self, V&& v) {
  v("/reference_s", self.reference_s), v("/reference_product_s", self.reference_product_s);
  v("/reference_read_s", self.reference_read_s);
}

// Segments of [A-Za-z0-9_.-] that do not begin with a dot, single slashes between them: safe as a path inside
// a file.
bool is_kernel_name(const std::string& name);

}  // namespace cotenant
