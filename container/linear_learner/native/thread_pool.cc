#include "thread_pool.h"

#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <thread>

namespace linear_learner {
namespace {

class ThreadPool {
 public:
  ThreadPool() : process_(getpid()) {}

  // A forked child has the memory of its parent's pool and none of its threads.
  bool is_of_this_process() const { return process_ == getpid(); }

  void run(int threads, const std::function<void(int)>& work) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      for (; started_ < threads - 1; ++started_) std::thread(&ThreadPool::serve, this, started_ + 1, round_).detach();
      work_ = &work;
      wanted_ = threads;
      running_ = threads - 1;
      ++round_;
    }
    begin_.notify_all();
    work(0);
    std::unique_lock<std::mutex> lock(mutex_);
    end_.wait(lock, [this] { return running_ == 0; });
  }

 private:
  void serve(int index, uint64_t seen) {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      begin_.wait(lock, [&] { return round_ != seen; });
      seen = round_;
      if (index >= wanted_) continue;
      const std::function<void(int)>& work = *work_;
      lock.unlock();
      work(index);
      lock.lock();
      if (--running_ == 0) end_.notify_one();
    }
  }

  const pid_t process_;
  std::mutex mutex_;
  std::condition_variable begin_, end_;
  const std::function<void(int)>* work_ = nullptr;
  int started_ = 0, wanted_ = 0, running_ = 0;
  uint64_t round_ = 0;
};

}  // namespace

void run_on_threads(int threads, const std::function<void(int)>& work) {
  if (threads <= 1) return work(0);
  static std::mutex callers;
  const std::lock_guard<std::mutex> lock(callers);
  // Never destroyed: its threads wait in it until the process ends.
  static ThreadPool* pool = new ThreadPool;
  if (!pool->is_of_this_process()) pool = new ThreadPool;
  pool->run(threads, work);
}

}  // namespace linear_learner
