#include "sparse_batch.h"

#include <algorithm>

#include "plan.h"

namespace linear_learner {
namespace {

// Rows that memory may have under way while one is read.
constexpr int64_t kRowsAhead = 4;

}  // namespace

SparseSizes::SparseSizes(const Call& call, int64_t batch_rows) {
  for (int64_t begin = 0; begin < call.m; begin += batch_rows) {
    const int64_t end = std::min(begin + batch_rows, call.m);
    int64_t stored = 0;
    for (int64_t i = begin; i < end; ++i) stored += call.indptr[call.order[i] + 1] - call.indptr[call.order[i]];
    rows = std::max(rows, end - begin);
    values = std::max(values, stored);
  }
  touched = std::min(values, call.d);
}

SparseBatch::SparseBatch(const SparseSizes& sizes, int64_t tiles)
    : rows(new SparseRow[sizes.rows]),
      labels(new float[round_up(sizes.rows, kPanelRows)]),
      weights(new float[round_up(sizes.rows, kPanelRows)]),
      features(new int32_t[sizes.touched]),
      columns(new SparseRow[sizes.touched]),
      tiles_(tiles),
      row_features_(new int32_t[sizes.values]),
      column_lines_(new int32_t[sizes.values]),
      column_values_(new float[sizes.values]),
      ends_(new int64_t[sizes.touched]) {}

void SparseBatch::build(const Call& call, int64_t begin, int64_t end, int32_t* numbers) {
  count = end - begin;
  list_touched(call, begin, numbers);
  turn_around();
  for (int64_t r = 0; r < round_up(count, kPanelRows); ++r) {
    const bool counts = r < count;
    labels[r] = counts ? call.labels[call.order[begin + r]] : 0.0f;
    weights[r] = !counts ? 0.0f : call.row_weights == nullptr ? 1.0f : call.row_weights[call.order[begin + r]];
  }
}

// Fills ``rows``, ``features`` and, in ``columns``, how many rows store each feature.
void SparseBatch::list_touched(const Call& call, int64_t begin, int32_t* numbers) {
  touched = 0;
  int64_t at = 0;
  for (int64_t r = 0; r < count; ++r) {
    if (r + kRowsAhead < count) {
      const int64_t ahead = call.indptr[call.order[begin + r + kRowsAhead]];
      __builtin_prefetch(call.indices + ahead);
      __builtin_prefetch(call.values + ahead);
    }
    const int64_t row = call.order[begin + r], first = call.indptr[row], stored = call.indptr[row + 1] - first;
    rows[r] = {row_features_.get() + at, call.values + first, stored};
    for (int64_t i = 0; i < stored; ++i) {
      const int32_t feature = call.indices[first + i];
      int32_t number = numbers[feature];
      if (number < 0) {
        number = static_cast<int32_t>(touched++);
        numbers[feature] = number;
        features[number] = feature;
        columns[number].count = 0;
      }
      ++columns[number].count;
      row_features_[at++] = number;
    }
  }
  for (int64_t j = 0; j < touched; ++j) numbers[features[j]] = -1;
}

// Fills ``columns``: a counting sort of the values by feature.
void SparseBatch::turn_around() {
  int64_t at = 0;
  for (int64_t j = 0; j < touched; ++j) {
    columns[j].places = column_lines_.get() + at;
    columns[j].values = column_values_.get() + at;
    ends_[j] = at;
    at += columns[j].count;
  }
  for (int64_t r = 0; r < count; ++r) {
    const SparseRow& row = rows[r];
    const int32_t line = static_cast<int32_t>(line_of_row(r, tiles_));
    for (int64_t i = 0; i < row.count; ++i) {
      const int64_t to = ends_[row.places[i]]++;
      column_lines_[to] = line;
      column_values_[to] = row.values[i];
    }
  }
}

}  // namespace linear_learner
