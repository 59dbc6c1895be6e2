// Training and evaluating on sparse rows (CSR). The cost follows the stored values.
#ifndef LINEAR_LEARNER_NATIVE_SPARSE_H_
#define LINEAR_LEARNER_NATIVE_SPARSE_H_

#include "engine.h"

namespace linear_learner {

// As ``train`` and ``evaluate``, for a call that has indptr.
//
// A mini-batch touches the features that one of its rows stores. The others are caught up with when a mini-batch
// touches them next, or at the end of the call; training/engines/optimizers.py says what that does.
void train_sparse(const Call& call);
void evaluate_sparse(const Call& call);

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_SPARSE_H_
