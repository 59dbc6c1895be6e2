// The kernels, written once for any width of vector. Included by kernels_*.cc after KERNELS_NAME, kWidth, kRowBlock,
// kFeatureBlock and kTilesAtOnce.
//
// Everything here has internal linkage: were a function shared by two instruction sets, the linker would keep one.

#include <math.h>
#include <stdint.h>

#include <type_traits>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "kernels.h"

namespace linear_learner {
namespace {

#include "vectors.h"

#include "losses.h"
#include "updates.h"

constexpr int kVectors = kTile / kWidth;
// Rows are fetched into the second-level cache: the first has no room for a panel more.
constexpr int kFetchLocality = 2;

// visit(std::integral_constant of a number of tiles, first of them) until all tiles are visited.
template <class Visit>
void for_tiles(int64_t tiles, const Visit& visit) {
  int64_t t = 0;
  for (; t + kTilesAtOnce <= tiles; t += kTilesAtOnce) visit(std::integral_constant<int, kTilesAtOnce>(), t);
  if constexpr (kTilesAtOnce > 1)
    for (; t < tiles; ++t) visit(std::integral_constant<int, 1>(), t);
}

static_assert(kPanelRows % kRowBlock == 0 && kPanelRows % kWidth == 0, "panels are whole blocks");

// Weights of as many features stay in the first-level cache while the rows of a panel pass over them.
constexpr int64_t kDepth = 128;

// kRowBlock rows by kTiles tiles in registers: every weight is read once for the block.
template <int kTiles>
void forward_block(const float* const* features, int64_t begin, int64_t depth, const float* weights,
                   int64_t weights_stride, const float* start, int64_t start_stride, int64_t start_row_stride,
                   float* scores, int64_t scores_stride) {
  Vector sums[kRowBlock][kTiles * kVectors];
  const float* rows[kRowBlock];
  UNROLLED(r, kRowBlock) {
    rows[r] = features[r] + begin;
    UNROLLED(v, kTiles * kVectors)
      sums[r][v] = load(start + v / kVectors * start_stride + r * start_row_stride + v % kVectors * kWidth);
  }
  for (int64_t f = 0; f < depth; ++f) {
    Vector w[kTiles * kVectors];
    UNROLLED(v, kTiles * kVectors)
      w[v] = load(weights + v / kVectors * weights_stride + f * kTile + v % kVectors * kWidth);
    UNROLLED(r, kRowBlock)
      UNROLLED(v, kTiles * kVectors) sums[r][v] += rows[r][f] * w[v];
  }
  UNROLLED(r, kRowBlock)
    UNROLLED(v, kTiles * kVectors)
      store(scores + v / kVectors * scores_stride + r * kTile + v % kVectors * kWidth, sums[r][v]);
}

template <int kTiles>
void forward_tiles(const float* const* features, const float* const* ahead, int64_t rows, int64_t d,
                   const float* weights, const float* bias, float* scores, int64_t scores_stride) {
  for (int64_t begin = 0; begin < d; begin += kDepth) {
    const int64_t depth = d - begin < kDepth ? d - begin : kDepth;
    for (int64_t r = 0; r < rows; r += kRowBlock) {
      float* const block = scores + r * kTile;
      if (ahead != nullptr) {
        UNROLLED(i, kRowBlock) __builtin_prefetch(ahead[r + i] + begin, 0, kFetchLocality);
      }
      const bool first = begin == 0;
      forward_block<kTiles>(features + r, begin, depth, weights + begin * kTile, d * kTile, first ? bias : block,
                            first ? kTile : scores_stride, first ? 0 : kTile, block, scores_stride);
    }
  }
}

void forward(const float* const* features, const float* const* ahead, int64_t rows, int64_t d, int64_t tiles,
             const float* weights, const float* bias, float* scores, int64_t scores_stride) {
  for_tiles(tiles, [&](auto count, int64_t t) {
    forward_tiles<count>(features, t == 0 ? ahead : nullptr, rows, d, weights + t * d * kTile, bias + t * kTile,
                         scores + t * scores_stride, scores_stride);
  });
}

// kFeatures features by kTiles tiles in registers, over the rows of a panel.
template <int kTiles, int kFeatures, bool kFetch>
void backward_block(const float* const* features, const float* const* ahead, int64_t begin, int64_t rows,
                    const float* scores, int64_t scores_stride, bool add, float* gradient, int64_t gradient_stride) {
  Vector sums[kFeatures][kTiles * kVectors] = {};
  gradient += begin * kTile;
  const auto place = [&](int f, int v) {
    return gradient + v / kVectors * gradient_stride + f * kTile + v % kVectors * kWidth;
  };
  if (add) {
    UNROLLED(f, kFeatures)
      UNROLLED(v, kTiles * kVectors) sums[f][v] = load(place(f, v));
  }
  for (int64_t r = 0; r < rows; ++r) {
    const float* const row = features[r] + begin;
    if constexpr (kFetch) __builtin_prefetch(ahead[r] + begin, 0, kFetchLocality);
    Vector g[kTiles * kVectors];
    UNROLLED(v, kTiles * kVectors)
      g[v] = load(scores + v / kVectors * scores_stride + r * kTile + v % kVectors * kWidth);
    UNROLLED(f, kFeatures)
      UNROLLED(v, kTiles * kVectors) sums[f][v] += row[f] * g[v];
  }
  UNROLLED(f, kFeatures)
    UNROLLED(v, kTiles * kVectors) store(place(f, v), sums[f][v]);
}

template <int kTiles, int kFeatures>
void backward_up_to(int64_t count, const float* const* features, const float* const* ahead, int64_t begin, int64_t rows,
                    const float* scores, int64_t scores_stride, bool add, float* gradient, int64_t gradient_stride) {
  if (count == kFeatures) {
    const auto block = ahead ? backward_block<kTiles, kFeatures, true> : backward_block<kTiles, kFeatures, false>;
    block(features, ahead, begin, rows, scores, scores_stride, add, gradient, gradient_stride);
  } else if constexpr (kFeatures > 1) {
    backward_up_to<kTiles, kFeatures - 1>(count, features, ahead, begin, rows, scores, scores_stride, add, gradient,
                                          gradient_stride);
  }
}

void backward(const float* const* features, const float* const* ahead, int64_t rows, int64_t d, int64_t tiles,
              const float* scores, int64_t scores_stride, bool add, float* gradient, int64_t gradient_stride) {
  // Blocks of nearly equal size: 8 features are faster as 4 + 4 than as 6 + 2.
  const int64_t blocks = (d + kFeatureBlock - 1) / kFeatureBlock;
  for_tiles(tiles, [&](auto count, int64_t t) {
    for (int64_t i = 0; i < blocks; ++i) {
      const int64_t begin = i * d / blocks, end = (i + 1) * d / blocks;
      backward_up_to<count, kFeatureBlock>(end - begin, features, t == 0 && i > 0 ? ahead : nullptr, begin, rows,
                                           scores + t * scores_stride, scores_stride, add,
                                           gradient + t * gradient_stride, gradient_stride);
    }
  });
  // The blocks have fetched the line that each of them begins in: a row's last line may be another.
  if (ahead != nullptr)
    for (int64_t r = 0; r < rows; ++r) __builtin_prefetch(ahead[r] + d - 1, 0, kFetchLocality);
}

// (1 + sum) (1 + odds) - 1, accurate where all of them are small.
INLINE Vector compounded(Vector sum, Vector odds) { return sum * (1.0f + odds) + odds; }

// Odds are at most 1, and 2^127 is the largest power of two that is a float.
static_assert(kPanelRows <= 96, "the odds of a panel can be compounded");

// The rows of one tile under a plain loss. Unweighted rows count 1.
template <class Loss, bool kWeighted>
void apply_plain(const LossPanel& panel, float* scores, const float* positive_weight, double* sums,
                 float* bias_gradient) {
  // exp is a long chain of operations: run through on its own, many of them are under way at once.
  Vector odds[kPanelRows * kVectors];
  if constexpr (Loss::kHasOdds)
    for (int64_t i = 0; i < panel.rows * kVectors; ++i) odds[i] = Loss::odds(load(scores + i * kWidth));

  Vector loss_sums[kVectors] = {}, gradient_sums[kVectors] = {}, compound[kVectors] = {}, positive[kVectors];
  if constexpr (kWeighted)
    for (int v = 0; v < kVectors; ++v) positive[v] = load(positive_weight + v * kWidth) - 1.0f;
  for (int64_t r = 0; r < panel.rows; ++r) {
    const Vector label = all(panel.labels[r]);
    for (int v = 0; v < kVectors; ++v) {
      float* place = scores + r * kTile + v * kWidth;
      const Vector score = load(place);
      Vector value, gradient;
      if constexpr (Loss::kHasOdds)
        Loss::at(score, odds[r * kVectors + v], label, panel.constant, value, gradient);
      else
        Loss::at(score, label, panel.constant, value, gradient);
      if constexpr (kWeighted) {
        // No branch on the label: it would be guessed wrong every other time.
        const Vector weight = panel.weights[r] + panel.weights[r] * panel.labels[r] * positive[v];
        if constexpr (Loss::kHasOdds) value += log1p_of_fraction(odds[r * kVectors + v]);
        value = weight * value;
        gradient = weight * gradient;
      } else if constexpr (Loss::kHasOdds) {
        compound[v] = compounded(compound[v], odds[r * kVectors + v]);
      }
      loss_sums[v] += value;
      gradient_sums[v] += gradient;
      store(place, gradient);
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    if constexpr (Loss::kHasOdds && !kWeighted) loss_sums[v] += log1p(compound[v]);
    for (int i = 0; i < kWidth; ++i) {
      sums[v * kWidth + i] += loss_sums[v][i];
      bias_gradient[v * kWidth + i] += gradient_sums[v][i];
    }
  }
}

// A square of kWidth rows and columns, from rows of columns to columns of rows or back.
INLINE void transpose_square(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
  Vector square[kWidth];
  UNROLLED(i, kWidth) square[i] = load(from + i * from_stride);
  transpose(square);
  UNROLLED(i, kWidth) store(to + i * to_stride, square[i]);
}

// A group under a coupled loss, kWidth rows at a time: a vector for each score of a candidate.
template <class Loss>
void apply_coupled(const LossPanel& panel) {
  Vector* const scores = reinterpret_cast<Vector*>(panel.transposed);
  Vector loss_sums[kMostCandidates] = {};
  for (int64_t r = 0; r < panel.rows; r += kWidth) {
    const auto block = [&](int64_t column) {
      return panel.scores + (column / kTile * panel.panel_rows + r) * kTile + column % kTile;
    };
    for (int64_t c = 0; c < panel.tiles * kTile; c += kWidth)
      transpose_square(block(c), kTile, panel.transposed + c * kWidth, kWidth);
    const Vector label = load(panel.labels + r);
    Vector weight = load(panel.weights + r);
    for (int64_t i = panel.rows - r; i < kWidth; ++i) weight[i] = 0;
    for (int64_t k = 0; k < panel.candidates; ++k) {
      Vector* const mine = scores + k * panel.outputs;
      Vector value;
      Loss::at(mine, panel.outputs, label, panel.constant, value);
      loss_sums[k] += weight * value;
      for (int64_t c = 0; c < panel.outputs; ++c) mine[c] = weight * mine[c];
    }
    for (int64_t c = 0; c < panel.tiles * kTile; c += kWidth)
      transpose_square(panel.transposed + c * kWidth, kWidth, block(c), kTile);
  }
  for (int64_t k = 0; k < panel.candidates; ++k)
    for (int i = 0; i < kWidth; ++i) panel.sums[k] += loss_sums[k][i];
  for (int64_t t = 0; t < panel.tiles; ++t)
    for (int v = 0; v < kVectors; ++v) {
      Vector sum{};
      for (int64_t r = 0; r < panel.rows; ++r)
        sum += load(panel.scores + (t * panel.panel_rows + r) * kTile + v * kWidth);
      store(panel.bias_gradient + t * kTile + v * kWidth, load(panel.bias_gradient + t * kTile + v * kWidth) + sum);
    }
}

template <class Loss>
void apply_loss(const LossPanel& panel) {
  if constexpr (Loss::kCoupled) {
    apply_coupled<Loss>(panel);
  } else {
    const auto apply = panel.weighted ? apply_plain<Loss, true> : apply_plain<Loss, false>;
    for (int64_t t = 0; t < panel.tiles; ++t)
      apply(panel, panel.scores + t * panel.panel_rows * kTile, panel.positive_weight + t * kTile,
            panel.sums + t * kTile, panel.bias_gradient + t * kTile);
  }
}

template <class Update>
void apply_update(int64_t rows, float* weights, float* first, float* second, const float* gradient, int64_t slices,
                  int64_t slice_stride, const ColumnRates& rates) {
  for (int v = 0; v < kVectors; ++v) {
    const int64_t c = v * kWidth;
    const ColumnVectors columns = {load(rates.rate + c),   load(rates.momentum + c), load(rates.rest_momentum + c),
                                   load(rates.beta_1 + c), load(rates.rest_1 + c),   load(rates.beta_2 + c),
                                   load(rates.rest_2 + c)};
    const Vector wd = load(rates.wd + c), l1 = load(rates.l1 + c), scale = load(rates.scale + c);
    for (int64_t i = c; i < rows * kTile; i += kTile) {
      Vector g = load(gradient + i);
      for (int64_t slice = 1; slice < slices; ++slice) g += load(gradient + slice * slice_stride + i);
      Vector w = load(weights + i), m0{}, m1{}, s, m;
      if constexpr (Update::kFirstMoment) m0 = load(first + i);
      if constexpr (Update::kSecondMoment) m1 = load(second + i);
      Update::step(scale * g + wd * w, m0, m1, columns, s, m);
      store(weights + i, soft(w - s * m, s * l1));
      if constexpr (Update::kFirstMoment) store(first + i, m0);
      if constexpr (Update::kSecondMoment) store(second + i, m1);
    }
  }
}

#include "kernels_sparse_body.h"

#define LOSS_ROW(loss) {#loss, loss::kCoupled, apply_loss<loss>},
constexpr LossRow kLosses[] = {LOSSES(LOSS_ROW)};

#define UPDATE_ROW(update) \
  {#update,                \
   update::rate_factor,    \
   apply_update<update>,   \
   update::first_fading,   \
   update::second_fading,  \
   apply_catch_up<update>, \
   apply_sparse_update<update>},
constexpr UpdateRow kUpdates[] = {UPDATES(UPDATE_ROW)};

constexpr Kernels kKernels = {KERNELS_NAME, kRowBlock,
                              kWidth,       forward,
                              backward,     sparse_forward,
                              kLosses,      sizeof kLosses / sizeof kLosses[0],
                              kUpdates,     sizeof kUpdates / sizeof kUpdates[0]};

}  // namespace
}  // namespace linear_learner
