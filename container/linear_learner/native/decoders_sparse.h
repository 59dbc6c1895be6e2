// The numbers of sparse records in the layout that most writers give them; see PlainRecord.
#ifndef LINEAR_LEARNER_NATIVE_DECODERS_SPARSE_H_
#define LINEAR_LEARNER_NATIVE_DECODERS_SPARSE_H_

#include <cstdint>

namespace linear_learner {

// As the functions of these names, but the keys may be refused if some take more than four bytes. Kernels that work on
// eight numbers at once read up to PlainRecord::kReach bytes behind the keys, and write seven numbers behind those of a
// row.
struct SparseKernels {
  bool (*read_keys)(const uint8_t* p, const uint8_t* end, int64_t count, int64_t columns, int32_t* keys);
  bool (*copy_float32)(const uint8_t* from, int64_t count, float* to);
};

// The fastest that the processor runs; ``portable``: those for any processor.
SparseKernels sparse_kernels(bool portable);

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_DECODERS_SPARSE_H_
