// Rows of the chunk in the order of their visit, brought together for some mini-batches ahead.
#ifndef LINEAR_LEARNER_NATIVE_STRETCH_H_
#define LINEAR_LEARNER_NATIVE_STRETCH_H_

#include <stdint.h>

#include "arena.h"
#include "plan.h"

namespace linear_learner {

// Short rows are copied, so that the far corners of memory are visited once and not once a thread; long rows, and rows
// that lie in order anyway, are used where they are. All threads take part in filling a stretch.
class Stretch {
 public:
  // The rows of a stretch: whole mini-batches.
  static int64_t rows_of(const Plan& plan);

  void lay_out(const Plan& plan, Arena& arena);

  // Fills the share of one of ``sharers`` threads in the stretch that begins at position ``begin`` of the order.
  void fill(const Plan& plan, int64_t begin, int64_t sharer, int64_t sharers);

  // Indexed by the position in the stretch. Some more positions than it has rows may be read.
  const float** features;
  float *labels, *weights;

 private:
  float* copies_;    // (rows, d), or null: rows are used where they are
  float* no_row_;  // (d) zeros
};

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_STRETCH_H_
