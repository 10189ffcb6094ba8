#pragma once
#include <cstddef>
#include <functional>

namespace cotenant {

// Calls task(0) .. task(count - 1), each once, on so many threads, or on fewer where the system gives no
// more; the calling thread is one of them. A task that returns false ends it: no further one is begun. What a
// task throws is thrown here once all threads are done. Returns whether every task was done. Requires:
// threads >= 1.
bool side_by_side(size_t count, size_t threads, const std::function<bool(size_t)>& task);

}  // namespace cotenant
