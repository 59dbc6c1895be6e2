// Kernels for AVX2 and FMA (x86-64 since 2013). Compiled with -mavx2 -mfma; see build.py.
#define KERNELS_NAME "avx2"

namespace linear_learner {
namespace {
constexpr int kWidth = 8;
constexpr int kRowBlock = 6, kFeatureBlock = 6;  // 12 of 16 registers hold sums, 2 a line of weights, 1 a feature
constexpr int kTilesAtOnce = 1;
}  // namespace
}  // namespace linear_learner

#include "kernels_body.h"

namespace linear_learner {
const Kernels* avx2_kernels() { return &kKernels; }
}  // namespace linear_learner
