#include "sim/experiment/side_by_side.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "sim/core/check.h"

namespace cotenant {

bool side_by_side(size_t count, size_t threads, const std::function<bool(size_t)>& task) {
  CHECK(threads >= 1);
  std::atomic<size_t> next = 0;
  std::atomic<bool> ended = false;
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    for (size_t at = next.fetch_add(1); at < count && !ended; at = next.fetch_add(1)) {
      try {
        if (!task(at)) ended = true;
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        ended = true;
      }
    }
  };
  std::vector<std::thread> others;
  try {
    for (size_t i = 1; i < std::min(threads, count); ++i) others.emplace_back(work);
  } catch (const std::system_error&) {
    // The system gives no more threads: those that are there do the work.
  }
  work();
  for (std::thread& thread : others) thread.join();
  if (failure) std::rethrow_exception(failure);
  return !ended;
}

}  // namespace cotenant
