#include "plan.h"

#include <string.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>

namespace linear_learner {
namespace {

// Where candidates are few, mini-batches are sliced, for so many threads to have work.
constexpr int64_t kShares = 16;
constexpr int64_t kMostSlices = 8;
constexpr int64_t kFewestSliceRows = 64;
// Candidates of a coupled loss whose columns fill an odd number of tiles are taken by twos, unless that many are
// enough.
constexpr int64_t kManyTiles = 16;

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
  if (call.penalty_factors != nullptr && call.indptr == nullptr)
    throw std::runtime_error("dense rows have no penalty factors");
  if (call.snapshot_rows < 0 || call.snapshot_rows % call.mini_batch_size != 0)
    throw std::runtime_error("snapshots are taken after whole mini-batches");
  if (call.snapshot_rows > 0 && call.indptr != nullptr) throw std::runtime_error("sparse rows have no snapshots");
  uint64_t last = 0;  // a negative number is a very large one
  for (int64_t i = 0; i < call.m; ++i) last = std::max(last, static_cast<uint64_t>(call.order[i]));
  if (call.m > 0 && last >= static_cast<uint64_t>(call.n))
    throw std::runtime_error("order names a row that is not there");
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

  batch_rows = training ? call.mini_batch_size : kEvaluationRows;
  batch_rows = std::min(batch_rows, std::max<int64_t>(call.m, 1));
  row_unit = loss.coupled ? std::lcm(kernels.row_block, kernels.width) : kernels.row_block;
  const int64_t shared = std::gcd(call.outputs, kTile);
  const int64_t unit_candidates = kTile / shared, unit_tiles = call.outputs / shared;
  const int64_t units = quotient_up(call.candidates, unit_candidates);
  // A power of two, so that most numbers of threads get equal shares.
  slices = 1;
  while (2 * slices * units <= kShares && 2 * slices <= kMostSlices && 2 * slices * kFewestSliceRows <= batch_rows)
    slices *= 2;

  const int64_t threads = std::max<int64_t>(call.threads, 1);
  const bool worth_a_team = batch_rows * call.d * call.candidates * call.outputs >= kWorthATeam;
  const bool odd = unit_tiles % 2 == 1 && unit_tiles < kManyTiles;
  // Sparse rows are used one tile at a time.
  const int64_t units_of_group = call.indptr == nullptr && odd && (worth_a_team || units >= 2 * threads) ? 2 : 1;
  group_candidates = units_of_group * unit_candidates;
  group_tiles = units_of_group * unit_tiles;
  groups = quotient_up(call.candidates, group_candidates);
  if (groups >= threads || !worth_a_team) {
    teams = std::min(threads, groups);
    team_size = 1;
  } else {
    teams = std::min(quotient_up(threads, slices), groups);
    team_size = std::min(threads / teams, slices);
  }
}

Range Plan::candidates_of(Range of) const {
  return {std::min(of.begin * group_candidates, call.candidates), std::min(of.end * group_candidates, call.candidates)};
}

Range Plan::tiles_of(Range of) const {
  return {of.begin * group_tiles, quotient_up(candidates_of(of).end * call.outputs, kTile)};
}

BatchPlan Plan::batch(int64_t rows) const {
  // Panels of nearly one size, and as many for each slice: a last one of a few rows would cost as much as a whole one.
  const int64_t shares = std::min(slices, quotient_up(rows, row_unit));
  const int64_t panel = round_up(quotient_up(rows, shares * quotient_up(rows, shares * kPanelRows)), row_unit);
  const int64_t panels = quotient_up(rows, panel);
  return {rows, panel, panels, std::min(slices, panels)};
}

}  // namespace linear_learner
