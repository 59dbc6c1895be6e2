#include "stretch.h"

#include <string.h>

#include <algorithm>

namespace linear_learner {
namespace {

constexpr int64_t kLongRow = 512;             // floats
constexpr int64_t kStretchFloats = 1 << 17;   // copied rows should still be in a cache when they are used
constexpr int64_t kMostFloats = 1 << 22;      // of copied rows; larger mini-batches are used where they are
constexpr int64_t kRowsAhead = 16;            // rows that memory may have under way while one is copied

void fetch(const float* row, int64_t d) {
  for (int64_t i = 0; i < d; i += kTile) __builtin_prefetch(row + i);
  __builtin_prefetch(row + d - 1);
}

}  // namespace

int64_t Stretch::rows_of(const Plan& plan) {
  const int64_t batches = std::max<int64_t>(kStretchFloats / plan.call.d / plan.batch_rows, 1);
  return std::min(batches * plan.batch_rows, round_up(plan.call.m, plan.batch_rows));
}

void Stretch::lay_out(const Plan& plan, Arena& arena) {
  const int64_t d = plan.call.d, rows = rows_of(plan);
  const bool copying = d < kLongRow && rows * d <= kMostFloats;
  features = arena.take<const float*>(rows + plan.row_unit);
  labels = arena.take<float>(rows + plan.row_unit);
  weights = arena.take<float>(rows + plan.row_unit);
  no_row_ = arena.take<float>(d);
  copies_ = copying ? arena.take<float>(rows * d) : nullptr;
}

void Stretch::fill(const Plan& plan, int64_t begin, int64_t sharer, int64_t sharers) {
  const Call& call = plan.call;
  const int64_t rows = std::min(rows_of(plan), call.m - begin);
  const int64_t* const order = call.order + begin;
  const Range share = Range::part(sharer, sharers, rows);
  for (int64_t r = share.begin; r < share.end; ++r) {
    const float* const row = call.features + order[r] * call.d;
    const bool in_order = r + 1 < rows ? order[r + 1] == order[r] + 1 : r > 0 && order[r] == order[r - 1] + 1;
    if (copies_ == nullptr || in_order) {
      features[r] = row;
    } else {
      const int64_t ahead = r + kRowsAhead;
      if (ahead < share.end) fetch(call.features + order[ahead] * call.d, call.d);
      memcpy(copies_ + r * call.d, row, call.d * sizeof(float));
      features[r] = copies_ + r * call.d;
    }
    labels[r] = call.labels[order[r]];
    weights[r] = call.row_weights == nullptr ? 1.0f : call.row_weights[order[r]];
  }
  if (sharer != sharers - 1) return;
  std::fill(no_row_, no_row_ + call.d, 0.0f);
  for (int64_t r = rows; r < rows + plan.row_unit; ++r) features[r] = no_row_, labels[r] = weights[r] = 0;
}

}  // namespace linear_learner
