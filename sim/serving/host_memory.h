#pragma once
#include "sim/serving/resident_set.h"

namespace cotenant {

// The weights and adapters that the host of one replica keeps after they came from the store; the least
// recently used make room. One owner, one thread.
class HostMemory {
 public:
  explicit HostMemory(Bytes bytes) : bytes_(bytes), kept_(bytes, 0) {}

  // Whether a load of `model` must fetch it from the store first; it is kept from now on, unless it is larger
  // than the memory.
  bool must_fetch(ModelId model, Bytes bytes) {
    const bool here = kept_.holds(model);
    if (!here && bytes > bytes_) return true;
    CHECK(kept_.admit(model, bytes));
    kept_.pin(model);  // used now
    kept_.unpin(model);
    return !here;
  }

 private:
  Bytes bytes_;
  ResidentSet kept_;
};

}  // namespace cotenant
