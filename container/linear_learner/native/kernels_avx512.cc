// Kernels for AVX-512 (F, DQ, BW, VL: servers since 2017). Compiled with those flags; see build.py.
#define KERNELS_NAME "avx512"

namespace linear_learner {
namespace {
constexpr int kWidth = 16;
constexpr int kRowBlock = 8;       // a general register points at each row
constexpr int kFeatureBlock = 12;  // the more sums, the fewer gradients are read for each
}  // namespace
}  // namespace linear_learner

#include "kernels_body.h"

namespace linear_learner {
const Kernels* avx512_kernels() { return &kKernels; }
}  // namespace linear_learner
