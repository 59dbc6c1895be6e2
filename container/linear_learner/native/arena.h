// Memory that a thread keeps from call to call, handed out in cache lines.
#ifndef LINEAR_LEARNER_NATIVE_ARENA_H_
#define LINEAR_LEARNER_NATIVE_ARENA_H_

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <new>

namespace linear_learner {

// Lay out twice: the first round only counts, ``allocate`` makes room, the second hands out memory, all zero.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() { free(memory_); }

  void start() { used_ = 0, counting_ = true; }

  void allocate() {
    if (used_ > size_) {
      free(memory_);
      memory_ = static_cast<char*>(aligned_alloc(kLine, used_));
      size_ = memory_ == nullptr ? 0 : used_;
      if (memory_ == nullptr) throw std::bad_alloc();
    }
    memset(memory_, 0, used_);
    used_ = 0, counting_ = false;
  }

  template <class T>
  T* take(int64_t count) {
    T* const taken = counting_ ? nullptr : reinterpret_cast<T*>(memory_ + used_);
    used_ += (count * sizeof(T) + kLine - 1) / kLine * kLine;
    return taken;
  }

 private:
  static constexpr size_t kLine = 64;
  char* memory_ = nullptr;
  size_t size_ = 0, used_ = 0;
  bool counting_ = true;
};

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_ARENA_H_
