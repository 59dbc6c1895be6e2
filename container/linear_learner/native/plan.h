// How a call is divided: candidates into groups, mini-batches into panels and slices, threads into teams.
#ifndef LINEAR_LEARNER_NATIVE_PLAN_H_
#define LINEAR_LEARNER_NATIVE_PLAN_H_

#include <stdint.h>

#include "engine.h"
#include "kernels.h"

namespace linear_learner {

inline int64_t quotient_up(int64_t count, int64_t divisor) { return (count + divisor - 1) / divisor; }
inline int64_t round_up(int64_t count, int64_t multiple) { return quotient_up(count, multiple) * multiple; }

// Multiplications of a mini-batch below which waiting for each other costs threads more than sharing a group saves.
constexpr int64_t kWorthATeam = 1 << 18;

// Part i of n of a range that is divided as evenly as whole numbers allow.
struct Range {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
  static Range part(int64_t i, int64_t n, int64_t count) { return {i * count / n, (i + 1) * count / n}; }
};

// The rows of a mini-batch, in panels of one size (but the last) and slices of whole panels.
struct BatchPlan {
  int64_t rows, panel, panels, slices;
  Range panels_of(int64_t slice) const { return Range::part(slice, slices, panels); }
};

// Groups, ``teams`` and ``team_size`` depend on the number of threads, and no number computed depends on those.
//
// Candidates are trained in groups that begin and end with a tile: as many tiles as kernels like to take at once, or of
// a coupled loss at least the fewest candidates whose columns fill whole tiles. Groups never need each other. A
// mini-batch's rows are summed in slices, so that a team of several threads can train one group where there are fewer
// groups than threads.
struct Plan {
  Plan(const Call& call, bool training);

  Range candidates_of(Range groups) const;
  Range tiles_of(Range groups) const;
  BatchPlan batch(int64_t rows) const;

  const Call& call;
  const Kernels& kernels;
  const LossRow& loss;
  const UpdateRow& update;
  const bool training;
  bool weighted;                          // whether any row counts other than 1 for any candidate
  int64_t group_candidates, group_tiles;  // of a group, the last one excepted
  int64_t groups;
  int64_t batch_rows;  // of a mini-batch, the last one excepted
  int64_t row_unit;    // kernels take a multiple of it
  int64_t slices;      // of a mini-batch, at most
  int64_t teams, team_size;
};

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_PLAN_H_
