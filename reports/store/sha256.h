#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace cotenant {

// SHA-256 of a byte stream, as in FIPS 180-4, section 6.2. One owner, one thread.
class Sha256 {
 public:
  void add(std::string_view bytes);
  // The eight bytes of the value, least significant first.
  void add(uint64_t value);
  // 64 lower-case hexadecimal digits. Ends the stream: nothing may be added afterwards.
  std::string finish();

 private:
  void block(const unsigned char* bytes);
  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> pending_{};
  size_t pending_count_ = 0;
  uint64_t total_ = 0;
};

}  // namespace cotenant
