// Kernels of the compiler's own target: SSE2 on x86-64, NEON on arm64, plain code elsewhere.
#define KERNELS_NAME "baseline"

namespace linear_learner {
namespace {
constexpr int kWidth = 4;
#ifdef __aarch64__
constexpr int kRowBlock = 6, kFeatureBlock = 6;  // 24 of 32 registers hold sums
#else
constexpr int kRowBlock = 2, kFeatureBlock = 2;  // 8 of 16
#endif
constexpr int kTilesAtOnce = 1;
}  // namespace
}  // namespace linear_learner

#include "kernels_body.h"

namespace linear_learner {
const Kernels* baseline_kernels() { return &kKernels; }
}  // namespace linear_learner
