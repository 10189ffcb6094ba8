#pragma once
#include <ucontext.h>

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <vector>

namespace cotenant::cuda::emulator {

// Functions that run in turns on stacks of their own, on one thread: each until it waits, ends or throws.
// One Fibers object runs at a time.
class Fibers {
 public:
  explicit Fibers(int count);
  Fibers(const Fibers&) = delete;
  Fibers& operator=(const Fibers&) = delete;
  ~Fibers();

  // Runs `body` on fibers 0 ... count - 1 until all have ended. Groups of kTogether neighbours run as far as
  // they get before the next group does, so that a missing barrier between groups shows; `backwards` takes
  // the last group first. `ready(i)` says whether a fiber that waited may go on. Returns whether all ended:
  // false if none is ready. What a fiber throws ends all of them and is thrown here; fibers that have not
  // ended are then left as they are, so their frames must own nothing.
  static constexpr int kTogether = 32;
  bool run(int count, bool backwards, const std::function<void()>& body,
           const std::function<bool(int)>& ready);
  // Within a fiber: gives way until ready().
  void wait();
  [[nodiscard]] int current() const { return current_; }
  [[nodiscard]] bool ended(int i) const { return fibers_[i].ended; }

 private:
  struct Fiber {
    ucontext_t context{};
    std::unique_ptr<char[]> stack;
    bool ended = false;
    void* sanitizer_fiber = nullptr;
    void* fake_stack = nullptr;
  };
  int run_together(int first, int count, const std::function<bool(int)>& ready);
  static void enter();
  void switch_to(Fiber* fiber);
  void switch_back(Fiber* fiber, bool for_good);
  void start(Fiber* fiber);
  [[noreturn]] void abandon();

  std::vector<Fiber> fibers_;
  ucontext_t scheduler_{};
  // Used where a sanitizer must be told of a switch.
  [[maybe_unused]] void* scheduler_fiber_ = nullptr;
  [[maybe_unused]] const void* scheduler_stack_ = nullptr;
  [[maybe_unused]] size_t scheduler_stack_bytes_ = 0;
  int current_ = -1;
  const std::function<void()>* body_ = nullptr;
  std::exception_ptr thrown_;
};

}  // namespace cotenant::cuda::emulator
