// Kernels for AVX-512 (F, DQ, BW, VL: servers since 2017). Compiled with those flags; see build.py.
#define KERNELS_NAME "avx512"

namespace linear_learner {
namespace {
constexpr int kWidth = 16;
constexpr int kRowBlock = 8;      // a general register points at each row
constexpr int kFeatureBlock = 8;  // half a cache line of a row: wider blocks were slower at 784 features
constexpr int kTilesAtOnce = 2;   // a feature that was read is used twice: two loads a cycle would not feed two FMAs
}  // namespace
}  // namespace linear_learner

#include "kernels_body.h"

namespace linear_learner {
const Kernels* avx512_kernels() { return &kKernels; }
}  // namespace linear_learner
