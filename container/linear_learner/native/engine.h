// Training and evaluating all candidates over a chunk of rows.
#ifndef LINEAR_LEARNER_NATIVE_ENGINE_H_
#define LINEAR_LEARNER_NATIVE_ENGINE_H_

#include <stdint.h>

namespace linear_learner {

// Rows of the table of rates (RateCount, K), float64; the fields of Rates in training/engines/state.py.
enum Rate {
  kLearningRate,
  kSchedulerStep,
  kSchedulerFactor,
  kSchedulerMinimum,
  kWd,
  kL1,
  kMomentum,
  kBeta1,
  kBeta2,
  kBiasLrMult,
  kBiasWdMult,
  kPositiveWeight,
  kRawPenalty,
  kRateCount
};

// One call. Shapes and meanings are those of Chunk, State, Objective and Rates in Python; n = rows, m = rows to visit,
// K = candidates, C = outputs, T = ceil(K * C / 16).
struct Call {
  const float* features;   // (n, d); null where rows are sparse
  const int64_t* indptr;   // (n + 1), or null: row i stores the values from indptr[i] to indptr[i + 1]
  const int32_t* indices;  // the columns of the values, ascending within a row, each once
  const float* values;
  const float* labels;       // (n)
  const float* row_weights;  // (n), or null: every row counts 1
  const int64_t* order;      // (m)
  int64_t n, d, m;

  int64_t candidates, outputs;
  float* weights;          // (T, d, 16)
  float* bias;             // (T * 16)
  float* moments[2];       // (T, d, 16)
  float* bias_moments[2];  // (T * 16)
  int64_t updates;         // mini-batches seen before

  const double* rates;    // (kRateCount, K)
  const char* loss;       // a name of losses.h
  const char* optimizer;  // a name of updates.h
  double constant;        // of the loss
  // (d), or null for factors of 1: see Objective. Rows are sparse then.
  const float* penalty_factors;
  int64_t mini_batch_size;
  int64_t use_bias;
  int64_t threads;

  // Of dense rows: after every so many, mini-batches that are whole, the weights are added to those of an average;
  // ``snapshot_done`` rows of the first such stretch came before this call. No averages where it is 0.
  int64_t snapshot_rows, snapshot_done;
  float* average_weights;  // (T, d, 16)
  float* average_bias;     // (T * 16)

  double* sums;  // (K): receives each candidate's sum of weighted losses
};

// Trains over the chunk's mini-batches in order. Throws std::runtime_error on a call that makes no sense.
void train(const Call& call);

// The sums of the losses with the weights as they are; nothing else is written.
void evaluate(const Call& call);

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_ENGINE_H_
