// Threads that wait between calls, so that a call does not start them anew.
#ifndef LINEAR_LEARNER_NATIVE_THREAD_POOL_H_
#define LINEAR_LEARNER_NATIVE_THREAD_POOL_H_

#include <functional>

namespace linear_learner {

// Runs work(0) ... work(threads - 1) at once, the first on the caller's thread, and returns when all are done.
// One caller at a time; ``work`` must not throw.
void run_on_threads(int threads, const std::function<void(int)>& work);

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_THREAD_POOL_H_
