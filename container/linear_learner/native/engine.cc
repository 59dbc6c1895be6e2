#include "engine.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "arena.h"
#include "barrier.h"
#include "column_rates.h"
#include "flush_denormals.h"
#include "kernels.h"
#include "plan.h"
#include "sparse.h"
#include "stretch.h"
#include "thread_pool.h"

namespace linear_learner {
namespace {

// What the threads of a call share.
struct Shared {
  Shared(const Plan& plan, Arena& arena) : columns(plan.tiles_of({0, plan.groups}).size() * kTile), all(threads(plan)) {
    arena.lay_out([&](Arena& from) {
      for (Stretch& stretch : stretches) stretch.lay_out(plan, from);
      gradient = from.take<float>(plan.training ? columns * plan.slices * plan.call.d : 0);
      bias_gradient = from.take<float>(columns * plan.slices);
      sums = from.take<double>(columns * plan.slices);
    });
    for (int64_t i = 0; i < plan.teams; ++i) team.emplace_back(static_cast<int>(plan.team_size));
  }

  static int threads(const Plan& plan) { return static_cast<int>(plan.teams * plan.team_size); }

  const int64_t columns;
  Stretch stretches[2];  // the one in hand, and the next
  float* gradient;       // (tiles, slices, d, 16)
  float* bias_gradient;  // (slices, columns)
  double* sums;          // (slices, columns), of which the first K of a row are used
  Barrier all;
  std::deque<Barrier> team;
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
      scores_ = from.take<float>(plan_.group_tiles * plan_.panel_rows * kTile);
      transposed_ = from.take<float>(plan_.group_tiles * kTile * plan_.kernels.width);
      rates_.lay_out(plan_, groups_, from);
    });
  }

  void run() {
    rates_.fill_constants();
    const int64_t threads = plan_.teams * plan_.team_size, rows = Stretch::rows_of(plan_);
    for_my_slices(plan_.slices, [&](int64_t slice) {
      const Range mine = plan_.candidates_of(groups_);
      std::fill(sums(slice) + mine.begin, sums(slice) + mine.end, 0.0);
    });
    shared_.stretches[0].fill(plan_, 0, thread_, threads);
    shared_.all.wait();
    int64_t update = call_.updates;
    for (int64_t begin = 0, i = 0; begin < call_.m; begin += rows, ++i) {
      if (begin + rows < call_.m) shared_.stretches[(i + 1) % 2].fill(plan_, begin + rows, thread_, threads);
      const int64_t end = std::min(rows, call_.m - begin);
      for (int64_t b = 0; b < end; b += plan_.batch_rows, ++update)
        pass_over(shared_.stretches[i % 2], b, std::min(plan_.batch_rows, end - b), update);
      shared_.all.wait();
    }
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

  template <class Visit>
  void for_my_slices(int64_t slices, const Visit& visit) const {
    const Range mine = Range::part(member_, plan_.team_size, slices);
    for (int64_t slice = mine.begin; slice < mine.end; ++slice) visit(slice);
  }

  // A mini-batch, at position ``begin`` of the stretch: the sums of its losses and, in training, its update.
  void pass_over(const Stretch& stretch, int64_t begin, int64_t rows, int64_t update) {
    const BatchPlan batch = plan_.batch(rows);
    for_my_slices(batch.slices, [&](int64_t slice) {
      const Range panels = batch.panels_of(slice);
      for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
        const int64_t done = panel * batch.panel;
        for (int64_t group = groups_.begin; group < groups_.end; ++group)
          pass_panel(stretch, begin + done, std::min(batch.panel, rows - done), group, slice, panel == panels.begin);
      }
    });
    if (!plan_.training) return;
    team_.wait();
    move(batch, update);
    team_.wait();
  }

  void pass_panel(const Stretch& stretch, int64_t begin, int64_t rows, int64_t group, int64_t slice, bool first) {
    const Kernels& kernels = plan_.kernels;
    const Range tiles = plan_.tiles_of({group, group + 1}), candidates = plan_.candidates_of({group, group + 1});
    const int64_t d = call_.d, rows_in_memory = round_up(rows, plan_.row_unit);
    const float* const* const features = stretch.features + begin;
    const auto scores = [&](int64_t tile) { return scores_ + (tile - tiles.begin) * rows_in_memory * kTile; };
    for (int64_t t = tiles.begin; t < tiles.end; ++t)
      kernels.forward(features, rows_in_memory, d, call_.weights + t * d * kTile, call_.bias + t * kTile, scores(t));

    LossPanel panel;
    panel.scores = scores_;
    panel.panel_rows = rows_in_memory;
    panel.rows = rows;
    panel.tiles = tiles.size();
    panel.labels = stretch.labels + begin;
    panel.weights = stretch.weights + begin;
    panel.positive_weight = rates_.positive_weight + (tiles.begin - tiles_.begin) * kTile;
    panel.weighted = plan_.weighted;
    panel.candidates = candidates.size();
    panel.outputs = call_.outputs;
    panel.constant = static_cast<float>(call_.constant);
    panel.transposed = transposed_;
    panel.sums = sums(slice) + candidates.begin;
    panel.bias_gradient = bias_gradient(slice, tiles.begin);
    if (first) std::fill(panel.bias_gradient, panel.bias_gradient + tiles.size() * kTile, 0.0f);
    plan_.loss.apply(panel);

    if (!plan_.training) return;
    for (int64_t t = tiles.begin; t < tiles.end; ++t)
      kernels.backward(features, rows, d, scores(t), !first, gradient(slice, t));
  }

  // The update of the team's candidates, each member doing some of the features.
  void move(const BatchPlan& batch, int64_t update) {
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

  const Plan& plan_;
  const Call& call_;
  Shared& shared_;
  const int64_t thread_, member_;
  Barrier& team_;
  const Range groups_, tiles_;
  float *scores_, *transposed_;  // of the group in hand; see LossPanel
  RateTable rates_;              // of the team's tiles
};

// Scratch memory of all calls: calls run one at a time.
struct Scratch {
  std::mutex in_use;
  Arena shared;
  std::vector<std::unique_ptr<Arena>> threads;

  Arena& of_thread(size_t thread) {
    while (threads.size() <= thread) threads.push_back(std::make_unique<Arena>());
    return *threads[thread];
  }
};

void run(const Call& call, bool training) {
  const Plan plan(call, training);
  static Scratch scratch;
  const std::lock_guard<std::mutex> lock(scratch.in_use);
  Shared shared(plan, scratch.shared);
  std::deque<Worker> workers;
  for (int thread = 0; thread < Shared::threads(plan); ++thread)
    workers.emplace_back(plan, shared, thread, scratch.of_thread(thread));
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
