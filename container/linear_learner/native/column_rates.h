// The numbers of an update, laid out by column for the tiles of one thread.
#ifndef LINEAR_LEARNER_NATIVE_COLUMN_RATES_H_
#define LINEAR_LEARNER_NATIVE_COLUMN_RATES_H_

#include <stdint.h>

#include "arena.h"
#include "kernels.h"
#include "plan.h"

namespace linear_learner {

class RateTable {
 public:
  void lay_out(const Plan& plan, Range groups, Arena& arena);

  // What stays the same throughout a call.
  void fill_constants();

  // What changes from update to update (counted from 0); ``rows`` is the size of the mini-batch.
  void fill(int64_t update, int64_t rows);

  // A panel of a group's rows, and the numbers of the loss that belong to the group. ``sums``: those of all candidates.
  LossPanel loss_panel(int64_t group, int64_t rows, int64_t panel_rows, const float* labels, const float* row_weights,
                       float* scores, float* transposed, double* sums, float* bias_gradient) const;

  ColumnRates *weights, *bias;  // (tiles)
  float* positive_weight;       // (tiles * 16)

 private:
  double rate(Rate row, int64_t candidate) const;
  double learning_rate(int64_t candidate, int64_t update);
  template <class Visit>
  void for_columns(int64_t candidate, const Visit& visit) const;

  const Plan* plan_;
  Range candidates_, tiles_;
  int64_t* decays_;  // (candidates): how often the scheduler has lowered the learning rate
  double* decayed_;  // (candidates): the learning rate then
};

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_COLUMN_RATES_H_
