#include "plan.h"

#include <string.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>

namespace linear_learner {
namespace {

// A panel's rows and their scores should stay in the second-level cache while the tiles pass over them.
constexpr int64_t kPanelFloats = 1 << 16;
// Below this many rows, wide tiles would be read from memory too often.
constexpr int64_t kFewestPanelRows = 48;

// Fewer groups than these are sliced, for so many threads to have work; but no slice is smaller than a panel.
constexpr int64_t kShares = 16;
constexpr int64_t kMostSlices = 8;
// Multiplications of a mini-batch below which waiting for each other costs threads more than sharing a group saves.
constexpr int64_t kWorthATeam = 1 << 18;

// Mini-batches of an evaluation, which has no updates between them.
constexpr int64_t kEvaluationRows = 4096;

template <class Row>
const Row& row_by_name(const Row* rows, int64_t count, const char* name, const char* kind) {
  for (int64_t i = 0; i < count; ++i)
    if (strcmp(rows[i].name, name) == 0) return rows[i];
  throw std::runtime_error(std::string(kind) + " '" + name + "' is not known to the native engine");
}

void check(const Call& call, const LossRow& loss) {
  if (call.d < 1 || call.candidates < 1 || call.outputs < 1 || call.mini_batch_size < 1)
    throw std::runtime_error("features, candidates, outputs and mini-batches have at least one element");
  if (!loss.coupled && call.outputs != 1) throw std::runtime_error("a plain loss has one output");
  for (int64_t i = 0; i < call.m; ++i)
    if (call.order[i] < 0 || call.order[i] >= call.n) throw std::runtime_error("order names a row that is not there");
}

}  // namespace

Plan::Plan(const Call& call, bool training)
    : call(call),
      kernels(chosen_kernels()),
      loss(row_by_name(kernels.losses, kernels.num_losses, call.loss, "loss")),
      update(row_by_name(kernels.updates, kernels.num_updates, call.optimizer, "optimizer")),
      training(training) {
  check(call, loss);
  const double* const positive_weight = call.rates + kPositiveWeight * call.candidates;
  weighted = call.row_weights != nullptr ||
             std::any_of(positive_weight, positive_weight + call.candidates, [](double weight) { return weight != 1; });

  const int64_t shared = std::gcd(call.outputs, kTile);
  group_candidates = kTile / shared;
  group_tiles = call.outputs / shared;
  groups = quotient_up(call.candidates, group_candidates);

  batch_rows = training ? call.mini_batch_size : kEvaluationRows;
  batch_rows = std::min(batch_rows, std::max<int64_t>(call.m, 1));
  row_unit = loss.coupled ? std::lcm(kernels.row_block, kernels.width) : kernels.row_block;
  const int64_t rows = kPanelFloats / (call.d + group_tiles * kTile);
  panel_rows = std::clamp(rows / row_unit * row_unit, kFewestPanelRows, kPanelRows);
  slices = std::min(std::clamp<int64_t>(kShares / groups, 1, kMostSlices), quotient_up(batch_rows, kPanelRows));

  const int64_t threads = std::max<int64_t>(call.threads, 1);
  teams = std::min(threads, groups);
  const bool worth_a_team = batch_rows * call.d * group_tiles * kTile >= kWorthATeam;
  team_size = worth_a_team ? std::min(threads / teams, slices) : 1;
}

Range Plan::candidates_of(Range of) const {
  return {std::min(of.begin * group_candidates, call.candidates), std::min(of.end * group_candidates, call.candidates)};
}

Range Plan::tiles_of(Range of) const {
  return {of.begin * group_tiles, quotient_up(candidates_of(of).end * call.outputs, kTile)};
}

BatchPlan Plan::batch(int64_t rows) const {
  // Panels of nearly one size: a last one of a few rows would cost as much as a whole one.
  const int64_t panel = round_up(quotient_up(rows, quotient_up(rows, panel_rows)), row_unit);
  const int64_t panels = quotient_up(rows, panel);
  return {rows, panel, panels, std::min(slices, panels)};
}

}  // namespace linear_learner
