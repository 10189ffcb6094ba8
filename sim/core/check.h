#pragma once
#include <cstdint>
#include <string_view>

// CHECK: on in every build. A failed CHECK is a bug in cotenant, never bad input: it prints the expression,
// the seed and the simulated time of the unit that ran on this thread, and stops the process.
// Catch2 calls a macro CHECK too. In tests this one replaces it, because inline functions of our headers use
// it; tests write REQUIRE.
#ifdef CHECK
#undef CHECK
#endif
#define CHECK(condition) \
  (static_cast<bool>(condition) ? void() : ::cotenant::check_failed(#condition, __FILE__, __LINE__, {}))
#define CHECK_MSG(condition, message) \
  (static_cast<bool>(condition) ? void() : ::cotenant::check_failed(#condition, __FILE__, __LINE__, message))

namespace cotenant {

[[noreturn]] void check_failed(const char* expression, const char* file, int line, std::string_view message);

// What a failed CHECK prints besides its expression. Set by the unit that runs on this thread; only read
// when the process is about to stop, so it is no clock that a model could consult.
struct CheckContext {
  uint64_t seed = 0;
  uint32_t replication = 0;
  const int64_t* now_ns = nullptr;
};
class ScopedCheckContext {
 public:
  explicit ScopedCheckContext(const CheckContext& context);
  ~ScopedCheckContext();
  ScopedCheckContext(const ScopedCheckContext&) = delete;
  ScopedCheckContext& operator=(const ScopedCheckContext&) = delete;

 private:
  CheckContext previous_;
};

// Within it, the context's simulated time is read from `now_ns`, which must outlive it.
class ScopedCheckClock {
 public:
  explicit ScopedCheckClock(const int64_t* now_ns);
  ~ScopedCheckClock();
  ScopedCheckClock(const ScopedCheckClock&) = delete;
  ScopedCheckClock& operator=(const ScopedCheckClock&) = delete;
};

}  // namespace cotenant
