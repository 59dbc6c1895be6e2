#include "engine.h"

#include <algorithm>
#include <deque>
#include <mutex>

#include "arena.h"
#include "barrier.h"
#include "column_rates.h"
#include "flush_denormals.h"
#include "kernels.h"
#include "plan.h"
#include "sparse.h"
#include "thread_pool.h"

namespace linear_learner {
namespace {

// What the threads of a call share.
struct Shared {
  Shared(const Plan& plan, Arena& arena) : columns(plan.tiles_of({0, plan.groups}).size() * kTile) {
    arena.lay_out([&](Arena& from) {
      gradient = from.take<float>(plan.training ? columns * plan.slices * plan.call.d : 0);
      bias_gradient = from.take<float>(columns * plan.slices);
      sums = from.take<double>(columns * plan.slices);
    });
    for (int64_t i = 0; i < plan.teams; ++i) team.emplace_back(static_cast<int>(plan.team_size));
  }

  static int threads(const Plan& plan) { return static_cast<int>(plan.teams * plan.team_size); }

  const int64_t columns;
  float* gradient;       // (tiles, slices, d, 16)
  float* bias_gradient;  // (slices, columns)
  double* sums;          // (slices, columns), of which the first K of a row are used
  std::deque<Barrier> team;
};

// The rows of a panel, used where they lie. Arrays are as long as a whole panel; rows beyond the last are of zeros.
struct Rows {
  int64_t begin = -1, count = 0;  // positions in the order
  const float** features;
  float *labels, *weights;
};

// One thread's share of a call: its team's candidates, some slices of every mini-batch, some features of every update.
class Worker {
 public:
  Worker(const Plan& plan, Shared& shared, int64_t thread, Arena& arena)
      : plan_(plan),
        call_(plan.call),
        shared_(shared),
        thread_(thread),
        member_(thread % plan.team_size),
        team_(shared.team[thread / plan.team_size]),
        groups_(Range::part(thread / plan.team_size, plan.teams, plan.groups)),
        tiles_(plan.tiles_of(groups_)) {
    arena.lay_out([&](Arena& from) {
      for (Rows& rows : panels_) {
        rows.features = from.take<const float*>(kPanelRows);
        rows.labels = from.take<float>(kPanelRows);
        rows.weights = from.take<float>(kPanelRows);
      }
      no_row_ = from.take<float>(call_.d);
      scores_ = from.take<float>(plan_.group_tiles * kPanelRows * kTile);
      transposed_ = from.take<float>(plan_.group_tiles * kTile * plan_.kernels.width);
      rates_.lay_out(plan_, groups_, from);
    });
  }

  void run() {
    rates_.fill_constants();
    std::fill(no_row_, no_row_ + call_.d, 0.0f);
    for (Rows& rows : panels_) {
      std::fill(rows.labels, rows.labels + kPanelRows, 0.0f);
      std::fill(rows.weights, rows.weights + kPanelRows, 1.0f);
    }
    const Range mine = my_slices(plan_.slices), candidates = plan_.candidates_of(groups_);
    for (int64_t slice = mine.begin; slice < mine.end; ++slice)
      std::fill(sums(slice) + candidates.begin, sums(slice) + candidates.end, 0.0);
    int64_t update = call_.updates;
    for (int64_t begin = 0; begin < call_.m; begin += plan_.batch_rows, ++update) run_batch(begin, update);
  }

 private:
  // The rows of ``sums`` hold the losses of a plain loss by column, which is by candidate as well.
  double* sums(int64_t slice) const { return shared_.sums + slice * shared_.columns; }

  float* bias_gradient(int64_t slice, int64_t tile) const {
    return shared_.bias_gradient + slice * shared_.columns + tile * kTile;
  }

  float* gradient(int64_t slice, int64_t tile) const {
    return shared_.gradient + (tile * plan_.slices + slice) * call_.d * kTile;
  }

  // A slice is one member's in every mini-batch, so that its sums are never touched by two; small mini-batches have
  // fewer.
  Range my_slices(int64_t slices) const {
    const Range mine = Range::part(member_, plan_.team_size, plan_.slices);
    return {std::min(mine.begin, slices), std::min(mine.end, slices)};
  }

  // The mini-batch at position ``begin`` of the order: the sums of its losses and, in training, its update.
  void run_batch(int64_t begin, int64_t update) {
    const BatchPlan batch = batch_at(begin);
    const int64_t after = begin + batch.rows;
    const Range slices = my_slices(batch.slices), mine = my_panels(batch);
    for (int64_t slice = slices.begin; slice < slices.end; ++slice) {
      const Range panels = batch.panels_of(slice);
      for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
        Rows &rows = panels_[0], &next = panels_[1];
        point_at(rows, begin, batch, panel);
        if (panel + 1 < mine.end) {
          point_at(next, begin, batch, panel + 1);
        } else if (after < call_.m) {
          const BatchPlan following = batch_at(after);
          point_at(next, after, following, std::min(my_panels(following).begin, following.panels - 1));
        }
        fill(rows);
        for (int64_t group = groups_.begin; group < groups_.end; ++group)
          pass_panel(rows, next, group, slice, panel == panels.begin);
        std::swap(rows, next);
      }
    }
    if (!plan_.training) return;
    team_.wait();
    update_weights(batch, update);
    if (call_.snapshot_rows > 0 && (call_.snapshot_done + after) % call_.snapshot_rows == 0) take_snapshot();
    team_.wait();
  }

  BatchPlan batch_at(int64_t begin) const { return plan_.batch(std::min(plan_.batch_rows, call_.m - begin)); }

  Range my_panels(const BatchPlan& batch) const {
    const Range mine = my_slices(batch.slices);
    return {batch.panels_of(mine.begin).begin, batch.panels_of(mine.end).begin};
  }

  // Finds out where the rows of a panel are, and has their labels fetched.
  void point_at(Rows& rows, int64_t batch_begin, const BatchPlan& batch, int64_t panel) {
    const int64_t begin = batch_begin + panel * batch.panel;
    if (rows.begin == begin) return;
    rows.begin = begin;
    rows.count = std::min(batch.panel, batch.rows - panel * batch.panel);
    const int64_t* const order = call_.order + begin;
    for (int64_t r = 0; r < rows.count; ++r) {
      rows.features[r] = call_.features + order[r] * call_.d;
      __builtin_prefetch(call_.labels + order[r]);
      if (call_.row_weights != nullptr) __builtin_prefetch(call_.row_weights + order[r]);
    }
    std::fill(rows.features + rows.count, rows.features + kPanelRows, no_row_);
  }

  void fill(Rows& rows) {
    const int64_t* const order = call_.order + rows.begin;
    for (int64_t r = 0; r < rows.count; ++r) rows.labels[r] = call_.labels[order[r]];
    if (call_.row_weights != nullptr)
      for (int64_t r = 0; r < rows.count; ++r) rows.weights[r] = call_.row_weights[order[r]];
  }

  // The rows of a group through forward, loss and gradient. ``next``: the rows to fetch meanwhile.
  void pass_panel(const Rows& rows, const Rows& next, int64_t group, int64_t slice, bool first) {
    const Kernels& kernels = plan_.kernels;
    const Range tiles = plan_.tiles_of({group, group + 1});
    const int64_t d = call_.d, rows_in_memory = round_up(rows.count, plan_.row_unit), stride = rows_in_memory * kTile;
    const float* const* const ahead = plan_.training && group == groups_.begin ? next.features : nullptr;
    kernels.forward(rows.features, ahead, rows_in_memory, d, tiles.size(), call_.weights + tiles.begin * d * kTile,
                    call_.bias + tiles.begin * kTile, scores_, stride);

    float* const biases = bias_gradient(slice, tiles.begin);
    if (first) std::fill(biases, biases + tiles.size() * kTile, 0.0f);
    plan_.loss.apply(rates_.loss_panel(group, rows.count, rows_in_memory, rows.labels, rows.weights, scores_,
                                       transposed_, sums(slice), biases));

    if (!plan_.training) return;
    kernels.backward(rows.features, ahead, rows.count, d, tiles.size(), scores_, stride, !first,
                     gradient(slice, tiles.begin), plan_.slices * d * kTile);
  }

  // The update of the team's candidates, each member doing some of the features.
  void update_weights(const BatchPlan& batch, int64_t update) {
    rates_.fill(update, batch.rows);
    const Range features = Range::part(member_, plan_.team_size, call_.d);
    for (int64_t t = tiles_.begin; t < tiles_.end; ++t) {
      const int64_t place = (t * call_.d + features.begin) * kTile;
      plan_.update.apply(features.size(), call_.weights + place, call_.moments[0] + place, call_.moments[1] + place,
                         gradient(0, t) + features.begin * kTile, batch.slices, call_.d * kTile,
                         rates_.weights[t - tiles_.begin]);
      if (call_.use_bias && member_ == 0)
        plan_.update.apply(1, call_.bias + t * kTile, call_.bias_moments[0] + t * kTile,
                           call_.bias_moments[1] + t * kTile, bias_gradient(0, t), batch.slices, shared_.columns,
                           rates_.bias[t - tiles_.begin]);
    }
  }

  // Adds the weights that this member has updated to the average.
  void take_snapshot() {
    const Range features = Range::part(member_, plan_.team_size, call_.d);
    const auto add = [](const float* from, int64_t count, float* to) {
      for (int64_t i = 0; i < count; ++i) to[i] += from[i];
    };
    for (int64_t t = tiles_.begin; t < tiles_.end; ++t) {
      const int64_t place = (t * call_.d + features.begin) * kTile;
      add(call_.weights + place, features.size() * kTile, call_.average_weights + place);
      if (member_ == 0) add(call_.bias + t * kTile, kTile, call_.average_bias + t * kTile);
    }
  }

  const Plan& plan_;
  const Call& call_;
  Shared& shared_;
  const int64_t thread_, member_;
  Barrier& team_;
  const Range groups_, tiles_;
  Rows panels_[2];               // the one in hand, and the next
  float* no_row_;                // (d) zeros
  float *scores_, *transposed_;  // of the group in hand; see LossPanel
  RateTable rates_;              // of the team's tiles
};

// Scratch memory of all calls: calls run one at a time.
struct Scratch {
  std::mutex in_use;
  Arena shared;
  Arenas threads;
};

void run(const Call& call, bool training) {
  const Plan plan(call, training);
  static Scratch scratch;
  const std::lock_guard<std::mutex> lock(scratch.in_use);
  Shared shared(plan, scratch.shared);
  std::deque<Worker> workers;
  for (int thread = 0; thread < Shared::threads(plan); ++thread)
    workers.emplace_back(plan, shared, thread, scratch.threads[thread]);
  run_on_threads(Shared::threads(plan), [&](int thread) {
    const FlushDenormals flush;
    workers[thread].run();
  });
  for (int64_t k = 0; k < call.candidates; ++k) {
    call.sums[k] = 0;
    for (int64_t slice = 0; slice < plan.slices; ++slice) call.sums[k] += shared.sums[slice * shared.columns + k];
  }
}

}  // namespace

void train(const Call& call) { call.indptr == nullptr ? run(call, true) : train_sparse(call); }
void evaluate(const Call& call) { call.indptr == nullptr ? run(call, false) : evaluate_sparse(call); }

}  // namespace linear_learner
