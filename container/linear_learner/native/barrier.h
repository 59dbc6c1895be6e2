// Where threads wait for each other.
#ifndef LINEAR_LEARNER_NATIVE_BARRIER_H_
#define LINEAR_LEARNER_NATIVE_BARRIER_H_

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace linear_learner {

// Every thread that calls wait() goes on when as many as are expected have called it. A thread waits busily for some
// microseconds, since mini-batches are that short. Then it offers its processor to others, because the thread that it
// waits for may want the same one: on a busy machine two threads do share one, and waiting busily any longer trebled
// the time of an epoch. Then it sleeps.
class Barrier {
 public:
  explicit Barrier(int threads) : threads_(threads) {}

  void wait() {
    if (threads_ == 1) return;
    const unsigned round = round_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
      arrived_.store(0, std::memory_order_relaxed);
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        round_.store(round + 1, std::memory_order_release);
      }
      all_here_.notify_all();
      return;
    }
    for (int i = 0; i < kSpins; ++i) {
      if (round_.load(std::memory_order_acquire) != round) return;
      pause();
    }
    for (int i = 0; i < kYields; ++i) {
      if (round_.load(std::memory_order_acquire) != round) return;
      std::this_thread::yield();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    all_here_.wait(lock, [&] { return round_.load(std::memory_order_acquire) != round; });
  }

 private:
  static constexpr int kSpins = 200, kYields = 500;

  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("isb");
#endif
  }

  const int threads_;
  std::atomic<int> arrived_{0};
  std::atomic<unsigned> round_{0};
  std::mutex mutex_;
  std::condition_variable all_here_;
};

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_BARRIER_H_
