#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "sim/core/result.h"

namespace cotenant {

// A seam: where bytes come from. `sim` opens no file; `tools` implements this over the file system, tests
// over memory. One owner, one thread.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills `into` from the front; returns how many bytes, 0 at the end. Throws std::runtime_error when the
  // world fails (an I/O error after a successful open).
  virtual size_t read(std::span<char> into) = 0;
};

// Opens sources by the name that stands in a scenario: relative to the scenario, or "data:PATH".
class ByteSources {
 public:
  virtual ~ByteSources() = default;
  virtual Result<std::unique_ptr<ByteSource>> open(const std::string& name) = 0;
};

}  // namespace cotenant
