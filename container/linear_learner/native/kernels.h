// What the engine asks of an instruction set: small loops over tiles of 16 columns.
#ifndef LINEAR_LEARNER_NATIVE_KERNELS_H_
#define LINEAR_LEARNER_NATIVE_KERNELS_H_

#include <stdint.h>

namespace linear_learner {

// Columns of a tile, as in training/engines/state.py.
constexpr int64_t kTile = 16;

// Of a group under a coupled loss.
constexpr int64_t kMostCandidates = 2 * kTile;

// Rows that go through forward, loss and gradient together. A multiple of every kernel's row_block and width. Larger
// panels of shuffled rows were slower with AVX2, at 30 and at 784 features: each row lies in a page of its own, and a
// processor has the addresses of some 64 at hand.
constexpr int64_t kPanelRows = 48;

// Scores of a panel: tiles of (panel_rows, 16) after one another. A loss leaves the weighted gradients in their place.
struct LossPanel {
  float* scores;
  int64_t panel_rows;  // rows in memory, a multiple of row_block and width
  int64_t rows;        // rows that count; what the others hold does not matter
  int64_t tiles;
  const float* labels;           // (panel_rows)
  const float* weights;          // (panel_rows)
  const float* positive_weight;  // (tiles * 16), multiplies the weight of rows whose label is 1
  bool weighted;                 // false: all of both are 1, padding excepted
  int64_t candidates, outputs;   // of a coupled loss; candidate k has columns [k * outputs, (k + 1) * outputs)
  float constant;
  float* transposed;     // scratch of a coupled loss, (tiles * 16, width)
  double* sums;          // (tiles * 16), or (candidates) of a coupled loss: the weighted losses are added
  float* bias_gradient;  // (tiles * 16): the weighted gradients are added
};

// The numbers of one update by column of a tile.
struct ColumnRates {
  alignas(64) float rate[kTile];                            // learning rate times the optimizer's factor
  alignas(64) float momentum[kTile], rest_momentum[kTile];  // and 1 minus it; the betas alike
  alignas(64) float beta_1[kTile], rest_1[kTile];
  alignas(64) float beta_2[kTile], rest_2[kTile];
  alignas(64) float wd[kTile], l1[kTile];
  alignas(64) float raw_wd[kTile], raw_l1[kTile];  // those that a feature's penalty factor and its root multiply
  alignas(64) float scale[kTile];                  // 1 / rows of the mini-batch; 0 for padding columns
};

// A row of a sparse matrix: lines of 16 floats, ``places[i]`` of them after a first one, and a value for each. Of a
// transposed matrix, a column.
struct SparseRow {
  const int32_t* places;
  const float* values;
  int64_t count;
};

// Some features, or all of them in order where ``features`` is null.
struct SparseFeatures {
  const int32_t* features;
  int64_t count;
  const float* penalty_factors;  // of all features, or null where they are 1
  int64_t feature(int64_t j) const { return features == nullptr ? j : features[j]; }
  int64_t line(int64_t j) const { return feature(j) * kTile; }
  float penalty_factor(int64_t j) const { return penalty_factors == nullptr ? 1.0f : penalty_factors[feature(j)]; }
};

// What a gradient of zero does to the moments, by column of a tile.
struct FadingRates {
  alignas(64) float log_first[kTile], log_second[kTile];  // the logarithms of what it multiplies them by
  alignas(64) float run_out[kTile];                       // b + b^2 + ..., b being what it multiplies the first one by
};

struct LossRow {
  const char* name;
  bool coupled;
  void (*apply)(const LossPanel&);
};

struct UpdateRow {
  const char* name;
  double (*rate_factor)(double momentum, double beta_1, double beta_2, double t);
  // Weights and moments (rows, 16) move along the sum of the gradients of ``slices`` slices, each (rows, 16) and
  // ``slice_stride`` floats after the one before.
  void (*apply)(int64_t rows, float* weights, float* first, float* second, const float* gradient, int64_t slices,
                int64_t slice_stride, const ColumnRates&);

  // For sparse rows. What a gradient of zero multiplies the two moments by:
  double (*first_fading)(double momentum, double beta_1);
  double (*second_fading)(double beta_2);
  // Brings features up to date that ``missed`` mini-batches did not touch, (touched), and copies their weights to
  // (touched, 16), unless that is null.
  void (*catch_up)(const SparseFeatures& touched, const int32_t* missed, float* weights, float* first, float* second,
                   const ColumnRates&, const FadingRates&, float* copies);
  // The update of the touched features, each along the sum of the lines of ``scores`` that its column names.
  void (*apply_sparse)(const SparseFeatures& touched, const SparseRow* columns, const float* scores, float* weights,
                       float* first, float* second, const ColumnRates&);
};

struct Kernels {
  const char* name;
  int64_t row_block;
  int64_t width;

  // Rows of features are used where they lie: row r is features[r][0 .. d). Tiles of scores are scores_stride floats
  // apart, those of gradients gradient_stride.
  //
  // The rows of ``ahead``, as many, are on their way to the cache after both; null if there are none.
  //
  // scores (tiles, rows, 16) = features (rows, d) weights (tiles, d, 16) + bias (tiles, 16); rows are a multiple of
  // row_block.
  void (*forward)(const float* const* features, const float* const* ahead, int64_t rows, int64_t d, int64_t tiles,
                  const float* weights, const float* bias, float* scores, int64_t scores_stride);
  // gradient (tiles, d, 16) = features (rows, d)^T scores (tiles, rows, 16), added to what is there if ``add``.
  void (*backward)(const float* const* features, const float* const* ahead, int64_t rows, int64_t d, int64_t tiles,
                   const float* scores, int64_t scores_stride, bool add, float* gradient, int64_t gradient_stride);
  // scores (rows, 16) = sparse rows times lines of weights + bias (16). ``far``: the weights may be in no cache.
  void (*sparse_forward)(const SparseRow* rows, int64_t count, const float* weights, bool far, const float* bias,
                         float* scores);
  const LossRow* losses;
  int64_t num_losses;
  const UpdateRow* updates;
  int64_t num_updates;
};

// Null where the compiler's target has no such instructions.
const Kernels* baseline_kernels();
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();

// The kernels that calls use: the fastest that this machine runs, unless others were chosen.
const Kernels& chosen_kernels();

// Chooses by name, for tests and benchmarks; nothing changes and false comes back if this machine does not run them.
bool choose_kernels(const char* name);

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_KERNELS_H_
