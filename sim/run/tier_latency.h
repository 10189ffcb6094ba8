#pragma once
#include "sim/stats/histogram.h"

namespace cotenant {

// Latencies of one tier after the warm-up, in ns.
struct TierLatency {
  Histogram ttft;
  Histogram tpot;
  Histogram e2e;
  Histogram ttft_engine;
  Histogram e2e_engine;

  // v(name, histogram): every metric, in report order.
  template <class Self, class V>
  static void metrics(Self& self, V&& v) {
    v("ttft", self.ttft), v("tpot", self.tpot), v("e2e", self.e2e);
    v("ttft_engine", self.ttft_engine), v("e2e_engine", self.e2e_engine);
  }
  void merge(const TierLatency& other) {
    ttft.merge(other.ttft);
    tpot.merge(other.tpot);
    e2e.merge(other.e2e);
    ttft_engine.merge(other.ttft_engine);
    e2e_engine.merge(other.e2e_engine);
  }
};

}  // namespace cotenant
