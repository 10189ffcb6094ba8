// Public here: Fibers.
#include "tests/kernels/cuda/emulator/fibers.h"

#include <algorithm>

#include "sim/core/check.h"

// The sanitizers must be told when the stack changes.
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace cotenant::cuda::emulator {
namespace {

constexpr size_t kStackBytes = 256 * 1024;
// makecontext() hands over no pointer in a portable way.
Fibers* running = nullptr;

}  // namespace

Fibers::Fibers(int count) : fibers_(static_cast<size_t>(count)) {
  for (Fiber& fiber : fibers_) {
    // Not cleared: most of it is never touched.
    fiber.stack.reset(new char[kStackBytes]);
#ifdef __SANITIZE_THREAD__
    fiber.sanitizer_fiber = __tsan_create_fiber(0);
#endif
  }
}

Fibers::~Fibers() {
#ifdef __SANITIZE_THREAD__
  for (Fiber& fiber : fibers_) __tsan_destroy_fiber(fiber.sanitizer_fiber);
#endif
}

void Fibers::enter() {
  Fibers& all = *running;
  Fiber& self = all.fibers_[static_cast<size_t>(all.current_)];
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, &all.scheduler_stack_, &all.scheduler_stack_bytes_);
#endif
  try {
    (*all.body_)();
  } catch (...) {
    all.thrown_ = std::current_exception();
  }
  self.ended = true;
  all.switch_back(&self, true);
}

void Fibers::switch_to(Fiber* fiber) {
#ifdef __SANITIZE_ADDRESS__
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, fiber->stack.get(), kStackBytes);
#endif
#ifdef __SANITIZE_THREAD__
  __tsan_switch_to_fiber(fiber->sanitizer_fiber, 0);
#endif
  CHECK(swapcontext(&scheduler_, &fiber->context) == 0);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
}

void Fibers::switch_back(Fiber* fiber, bool for_good) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(for_good ? nullptr : &fiber->fake_stack, scheduler_stack_,
                                 scheduler_stack_bytes_);
#else
  static_cast<void>(for_good);
#endif
#ifdef __SANITIZE_THREAD__
  __tsan_switch_to_fiber(scheduler_fiber_, 0);
#endif
  CHECK(swapcontext(&fiber->context, &scheduler_) == 0);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fiber->fake_stack, &scheduler_stack_, &scheduler_stack_bytes_);
#endif
}

void Fibers::start(Fiber* fiber) {
  fiber->ended = false;
  CHECK(getcontext(&fiber->context) == 0);
  fiber->context.uc_stack.ss_sp = fiber->stack.get();
  fiber->context.uc_stack.ss_size = kStackBytes;
  fiber->context.uc_link = nullptr;
  makecontext(&fiber->context, &Fibers::enter, 0);
}

void Fibers::abandon() {
#ifdef __SANITIZE_ADDRESS__
  // The frames that never ended have marked their surroundings.
  for (Fiber& fiber : fibers_) __asan_unpoison_memory_region(fiber.stack.get(), kStackBytes);
#endif
  std::rethrow_exception(thrown_);
}

// Runs fibers [first, first + kTogether) as far as they get without the others.
int Fibers::run_together(int first, int count, const std::function<bool(int)>& ready) {
  int turns = 0;
  bool progress = true;
  while (progress) {
    progress = false;
    for (int i = first; i < std::min(first + kTogether, count); ++i) {
      if (fibers_[i].ended || !ready(i)) continue;
      progress = true;
      ++turns;
      current_ = i;
      switch_to(&fibers_[i]);
      if (thrown_ != nullptr) abandon();
    }
  }
  return turns;
}

bool Fibers::run(int count, bool backwards, const std::function<void()>& body,
                 const std::function<bool(int)>& ready) {
  CHECK(count <= static_cast<int>(fibers_.size()));
  running = this;
  body_ = &body;
  thrown_ = nullptr;
#ifdef __SANITIZE_THREAD__
  scheduler_fiber_ = __tsan_get_current_fiber();
#endif
  for (int i = 0; i < count; ++i) start(&fibers_[i]);
  const int groups = (count + kTogether - 1) / kTogether;
  int turns = 1;
  while (turns > 0) {
    turns = 0;
    for (int g = 0; g < groups; ++g) {
      turns += run_together((backwards ? groups - 1 - g : g) * kTogether, count, ready);
    }
  }
  return std::all_of(fibers_.begin(), fibers_.begin() + count,
                     [](const Fiber& fiber) { return fiber.ended; });
}

void Fibers::wait() {
  switch_back(&fibers_[static_cast<size_t>(current_)], false);
}

}  // namespace cotenant::cuda::emulator
