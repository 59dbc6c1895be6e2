// One mini-batch of sparse rows, turned around: by row for the scores, by feature for the gradient.
#ifndef LINEAR_LEARNER_NATIVE_SPARSE_BATCH_H_
#define LINEAR_LEARNER_NATIVE_SPARSE_BATCH_H_

#include <stdint.h>

#include <memory>

#include "engine.h"
#include "kernels.h"

namespace linear_learner {

// Most rows, stored values and touched features of a mini-batch of a call.
struct SparseSizes {
  SparseSizes(const Call& call, int64_t batch_rows);
  int64_t rows = 0, values = 0, touched = 0;
};

// Where the scores of a row are, counted in lines of 16: panels of kPanelRows rows, each tile by tile.
inline int64_t line_of_row(int64_t row, int64_t tiles) {
  return row / kPanelRows * kPanelRows * tiles + row % kPanelRows;
}

// The memory is made once, on the caller's thread: what runs on others must not throw.
class SparseBatch {
 public:
  // ``tiles`` of a group.
  SparseBatch(const SparseSizes& sizes, int64_t tiles);

  // Reads the rows order[begin .. end) of the call. ``numbers``, (d), holds -1 throughout, before and after.
  void build(const Call& call, int64_t begin, int64_t end, int32_t* numbers);

  int64_t count;  // of rows
  int64_t touched;

  // By row: which of the touched features, and with what value.
  std::unique_ptr<SparseRow[]> rows;  // (rows)
  // A multiple of kPanelRows; 0 beyond the rows.
  std::unique_ptr<float[]> labels, weights;

  // By touched feature, in the order of their first appearance.
  std::unique_ptr<int32_t[]> features;   // (touched)
  std::unique_ptr<SparseRow[]> columns;  // (touched): the lines of the rows that store it, ascending, and the values

 private:
  void list_touched(const Call& call, int64_t begin, int32_t* numbers);
  void turn_around();

  const int64_t tiles_;
  std::unique_ptr<int32_t[]> row_features_, column_lines_;  // (values)
  std::unique_ptr<float[]> column_values_;                  // (values)
  std::unique_ptr<int64_t[]> ends_;                         // (touched)
};

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_SPARSE_BATCH_H_
