// Denormal numbers as zeros, while an object of this class lives, on this thread.
//
// The moments of a feature that is no longer seen decay into numbers below 1e-38, and a processor that computes with
// those in microcode is a hundred times slower.
#ifndef LINEAR_LEARNER_NATIVE_FLUSH_DENORMALS_H_
#define LINEAR_LEARNER_NATIVE_FLUSH_DENORMALS_H_

#include <stdint.h>

#ifdef __SSE__
#include <xmmintrin.h>
#endif

namespace linear_learner {

class FlushDenormals {
 public:
#if defined(__SSE__)
  FlushDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | kFlushToZero | kDenormalsAreZero); }
  ~FlushDenormals() { _mm_setcsr(before_); }

 private:
  static constexpr unsigned kFlushToZero = 1u << 15, kDenormalsAreZero = 1u << 6;
  const unsigned before_;
#elif defined(__aarch64__)
  FlushDenormals() {
    asm volatile("mrs %0, fpcr" : "=r"(before_));
    asm volatile("msr fpcr, %0" : : "r"(before_ | kFlushToZero));
  }
  ~FlushDenormals() { asm volatile("msr fpcr, %0" : : "r"(before_)); }

 private:
  static constexpr uint64_t kFlushToZero = 1u << 24;
  uint64_t before_;
#else
  FlushDenormals() {}
  ~FlushDenormals() {}

 private:
#endif
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;
};

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_FLUSH_DENORMALS_H_
