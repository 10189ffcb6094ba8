#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace cotenant {

// SHA-256 of a byte stream (FIPS 180-4), by libcrypto. One owner, one thread. Throws std::runtime_error if
// libcrypto has no SHA-256 or no memory.
class Sha256 {
 public:
  Sha256();
  void add(std::string_view bytes);
  // The eight bytes of the value, least significant first.
  void add(uint64_t value);
  // 64 lower-case hexadecimal digits. Ends the stream: nothing may be added afterwards.
  std::string finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace cotenant
