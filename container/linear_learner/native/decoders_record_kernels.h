// The numbers of records in the layout that most writers give them, as fast as the processor reads them.
#ifndef LINEAR_LEARNER_NATIVE_DECODERS_RECORD_KERNELS_H_
#define LINEAR_LEARNER_NATIVE_DECODERS_RECORD_KERNELS_H_

#include <cstdint>

namespace linear_learner {

// As the functions of these names, but keys may be refused if some take more than four bytes, and reading eight at once
// looks at up to PlainRecord::kReach bytes behind them and writes kOverrun numbers behind those of the row.
struct RecordKernels {
  static constexpr int64_t kOverrun = 7;

  bool (*read_keys)(const uint8_t* p, const uint8_t* end, int64_t count, int64_t columns, int32_t* keys);
  bool (*copy_float32)(const uint8_t* from, int64_t count, float* to);
};

// The fastest that the processor runs; ``portable``: those for any processor.
RecordKernels record_kernels(bool portable);

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_DECODERS_RECORD_KERNELS_H_
