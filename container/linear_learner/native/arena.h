// Memory kept from call to call, handed out in cache lines.
#ifndef LINEAR_LEARNER_NATIVE_ARENA_H_
#define LINEAR_LEARNER_NATIVE_ARENA_H_

#include <stdint.h>
#include <stdlib.h>

#include <memory>
#include <new>
#include <vector>

namespace linear_learner {

// The same sequence of take() is run twice, by ``lay_out``: first to count, then to hand out. The memory that take()
// returns is not cleared.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() { free(memory_); }

  template <class LayOut>
  void lay_out(const LayOut& take_all) {
    used_ = 0, counting_ = true;
    take_all(*this);
    if (used_ > size_) {
      free(memory_);
      size_ = 0;
      memory_ = static_cast<char*>(aligned_alloc(kLine, used_));
      if (memory_ == nullptr) throw std::bad_alloc();
      size_ = used_;
    }
    used_ = 0, counting_ = false;
    take_all(*this);
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

// An arena for each of so many threads, or teams of them, as calls ask for.
class Arenas {
 public:
  Arena& operator[](size_t i) {
    while (arenas_.size() <= i) arenas_.push_back(std::make_unique<Arena>());
    return *arenas_[i];
  }

 private:
  std::vector<std::unique_ptr<Arena>> arenas_;
};

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_ARENA_H_
