// What the block decoders share. A block with a bad row is refused at the first one found: which rows are bad, and why,
// is for the plain decoders in formats to say.
#ifndef LINEAR_LEARNER_NATIVE_DECODERS_H_
#define LINEAR_LEARNER_NATIVE_DECODERS_H_

#include <cstdint>

extern "C" {

// What a decoded block holds. decoders.py mirrors this struct.
struct ll_outcome {
  int64_t rows;    // rows written
  int64_t lines;   // text: lines seen, those without a row included
  int64_t values;  // sparse rows: non-zeros written
};
}

namespace linear_learner {

// What the functions of the C interface return.
enum Status : int32_t { kDone = 0, kOutOfMemory = 1, kBadCall = 2, kBadRows = 3 };

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_DECODERS_H_
