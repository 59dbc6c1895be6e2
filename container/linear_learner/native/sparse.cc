#include "sparse.h"

#include <math.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <stdexcept>

#include "arena.h"
#include "barrier.h"
#include "column_rates.h"
#include "flush_denormals.h"
#include "kernels.h"
#include "plan.h"
#include "sparse_batch.h"
#include "thread_pool.h"

namespace linear_learner {
namespace {

// Features that are caught up with at a time at the end of a call.
constexpr int64_t kFlushed = 1 << 12;
// Sums of an evaluation, whose rows may go to as many threads of a team.
constexpr int64_t kEvaluationShares = 64;

// How a call is divided, beside what Plan says of its candidates. Nothing but ``teams`` and ``team_size`` depends on
// the number of threads, and no number computed depends on those two.
struct SparsePlan {
  SparsePlan(const Call& call, bool training) : plan(call, training), sizes(call, plan.batch_rows) {
    if (call.d > INT32_MAX || sizes.values > INT32_MAX)
      throw std::runtime_error("sparse rows have fewer than 2^31 columns, and so many values a mini-batch");
    panels =
        training ? quotient_up(sizes.rows, kPanelRows) : std::min(kEvaluationShares, quotient_up(call.m, kPanelRows));
    const int64_t threads = std::max<int64_t>(call.threads, 1);
    teams = std::min(threads, plan.groups);
    const int64_t multiplications = (training ? sizes.values : call.indptr[call.n]) * plan.group_tiles * kTile;
    team_size = multiplications >= kWorthATeam ? std::min(threads / teams, std::max<int64_t>(panels, 1)) : 1;
  }

  int64_t threads() const { return teams * team_size; }

  const Plan plan;
  const SparseSizes sizes;
  int64_t panels;  // of a mini-batch, or shares of an evaluation: losses are summed in as many parts
  int64_t teams, team_size;
};

// What the threads of a team share: the mini-batch in hand, for one group of candidates.
struct Team {
  Team(const SparsePlan& sparse, bool training, Arena& arena) : members(static_cast<int>(sparse.team_size)) {
    if (!training) return;
    const int64_t lines = sparse.plan.group_tiles * kTile;
    arena.lay_out([&](Arena& from) {
      done = from.take<int32_t>(sparse.plan.call.d);
      missed = from.take<int32_t>(sparse.sizes.touched);
      copies = from.take<float>(sparse.sizes.touched * kTile);
      scores = from.take<float>(sparse.panels * kPanelRows * lines);
      bias_gradient = from.take<float>(sparse.panels * lines);
    });
  }

  Barrier members;
  int32_t* done;         // (d): mini-batches of this call that a feature is up to date with
  int32_t* missed;       // (touched): mini-batches that did not touch a feature since then
  float* copies;         // (touched, 16): weights of the tile in hand
  float* scores;         // (panels, tiles of the group, kPanelRows, 16)
  float* bias_gradient;  // (panels, tiles of the group * 16)
};

// What all threads share.
struct Shared {
  Shared(const SparsePlan& sparse, bool training, Arena& arena)
      : columns(sparse.plan.tiles_of({0, sparse.plan.groups}).size() * kTile), all(static_cast<int>(sparse.threads())) {
    arena.lay_out([&](Arena& from) { sums = from.take<double>(columns * sparse.panels); });
    for (int64_t i = 0; training && i < 2 * sparse.threads(); ++i)
      batches.emplace_back(sparse.sizes, sparse.plan.group_tiles);
  }

  const int64_t columns;
  double* sums;                     // (panels, columns), of which the first K of a row are used
  std::deque<SparseBatch> batches;  // those in hand, one for each thread to make ready, and the next
  Barrier all;
};

// One thread's share of a call: its team's candidates, some rows and some features of every mini-batch.
class Worker {
 public:
  Worker(const SparsePlan& sparse, Shared& shared, Team& team, int64_t thread, bool training, Arena& arena)
      : sparse_(sparse),
        plan_(sparse.plan),
        call_(sparse.plan.call),
        shared_(shared),
        team_(team),
        thread_(thread),
        member_(thread % sparse.team_size),
        groups_(Range::part(thread / sparse.team_size, sparse.teams, plan_.groups)),
        tiles_(plan_.tiles_of(groups_)) {
    const int64_t lines = plan_.group_tiles * kTile;
    arena.lay_out([&](Arena& from) {
      transposed_ = from.take<float>(lines * plan_.kernels.width);
      rates_.lay_out(plan_, groups_, from);
      fading_ = from.take<FadingRates>(tiles_.size());
      numbers_ = from.take<int32_t>(training ? call_.d : 0);
      scores_ = from.take<float>(training ? 0 : kPanelRows * lines);
      bias_gradient_ = from.take<float>(training ? 0 : lines);
      rows_ = from.take<SparseRow>(training ? 0 : kPanelRows);
      labels_ = from.take<float>(training ? 0 : kPanelRows);
      weights_ = from.take<float>(training ? 0 : kPanelRows);
    });
  }

  void train() {
    begin();
    fill_fading();
    std::fill(numbers_, numbers_ + call_.d, -1);
    const Range mine = part(call_.d);
    std::fill(team_.done + mine.begin, team_.done + mine.end, 0);
    const int64_t threads = sparse_.threads(), batches = quotient_up(call_.m, plan_.batch_rows);
    make_ready(0);
    shared_.all.wait();
    for (int64_t first = 0; first < batches; first += threads) {
      make_ready(first + threads);
      for (int64_t number = first; number < std::min(first + threads, batches); ++number)
        train_on(shared_.batches[number % (2 * threads)], number);
      shared_.all.wait();
    }
    catch_up_with_all(batches);
  }

  void evaluate() {
    begin();
    const Range shares = part(sparse_.panels);
    for (int64_t share = shares.begin; share < shares.end; ++share) {
      const Range rows = Range::part(share, sparse_.panels, call_.m);
      for (int64_t at = rows.begin; at < rows.end; at += kPanelRows)
        evaluate_panel(at, std::min(kPanelRows, rows.end - at), share);
    }
  }

 private:
  // The member's part of what a team divides.
  Range part(int64_t count) const { return Range::part(member_, sparse_.team_size, count); }

  double* sums(int64_t panel) const { return shared_.sums + panel * shared_.columns; }

  // Scores of a panel, and the gradients of the bias that it gives, of the first tile of a group.
  float* scores(int64_t panel) const { return team_.scores + panel * kPanelRows * plan_.group_tiles * kTile; }
  float* bias_gradient(int64_t panel) const { return team_.bias_gradient + panel * plan_.group_tiles * kTile; }

  void begin() {
    rates_.fill_constants();
    const Range mine = plan_.candidates_of(groups_), panels = part(sparse_.panels);
    for (int64_t panel = panels.begin; panel < panels.end; ++panel)
      std::fill(sums(panel) + mine.begin, sums(panel) + mine.end, 0.0);
  }

  void fill_fading() {
    for (int64_t t = tiles_.begin; t < tiles_.end; ++t) {
      FadingRates& fading = fading_[t - tiles_.begin];
      for (int64_t i = 0; i < kTile; ++i) {
        const int64_t candidate = (t * kTile + i) / call_.outputs;
        const bool is_padding = candidate >= call_.candidates;
        const auto rate = [&](Rate row) { return is_padding ? 0.0 : call_.rates[row * call_.candidates + candidate]; };
        const double first = plan_.update.first_fading(rate(kMomentum), rate(kBeta1));
        fading.log_first[i] = static_cast<float>(log(first));
        fading.log_second[i] = static_cast<float>(log(plan_.update.second_fading(rate(kBeta2))));
        fading.run_out[i] = static_cast<float>(first / (1 - first));
      }
    }
  }

  // Each thread makes one mini-batch ready, beginning with ``first``.
  void make_ready(int64_t first) {
    const int64_t number = first + thread_, begin = number * plan_.batch_rows;
    if (begin >= call_.m) return;
    SparseBatch& batch = shared_.batches[number % (2 * sparse_.threads())];
    batch.build(call_, begin, std::min(begin + plan_.batch_rows, call_.m), numbers_);
  }

  void train_on(const SparseBatch& batch, int64_t number) {
    rates_.fill(call_.updates + number, batch.count);
    const Range mine = part(batch.touched), panels = part(quotient_up(batch.count, kPanelRows));
    for (int64_t j = mine.begin; j < mine.end; ++j) {
      int32_t& done = team_.done[batch.features[j]];
      team_.missed[j] = static_cast<int32_t>(number - done);
      done = static_cast<int32_t>(number + 1);
    }
    const SparseFeatures touched{batch.features.get() + mine.begin, mine.size(), call_.penalty_factors};
    for (int64_t group = groups_.begin; group < groups_.end; ++group) {
      const Range tiles = plan_.tiles_of({group, group + 1});
      for (int64_t t = tiles.begin; t < tiles.end; ++t) {
        catch_up(touched, team_.missed + mine.begin, t, 0, team_.copies + mine.begin * kTile);
        team_.members.wait();
        for (int64_t panel = panels.begin; panel < panels.end; ++panel)
          forward(batch.rows.get() + panel * kPanelRows, rows_of(batch, panel), team_.copies, false, t,
                  scores(panel) + (t - tiles.begin) * kPanelRows * kTile);
        team_.members.wait();
      }
      for (int64_t panel = panels.begin; panel < panels.end; ++panel)
        apply_loss(rows_of(batch, panel), group, panel, batch.labels.get() + panel * kPanelRows,
                   batch.weights.get() + panel * kPanelRows, scores(panel), bias_gradient(panel));
      team_.members.wait();
      for (int64_t t = tiles.begin; t < tiles.end; ++t) update_weights(batch, touched, mine.begin, t, t - tiles.begin);
      team_.members.wait();
    }
  }

  static int64_t rows_of(const SparseBatch& batch, int64_t panel) {
    return std::min(kPanelRows, batch.count - panel * kPanelRows);
  }

  // ``begin``: the first feature, where all in order are meant.
  void catch_up(const SparseFeatures& touched, const int32_t* missed, int64_t tile, int64_t begin, float* copies) {
    const int64_t place = (tile * call_.d + begin) * kTile, own = tile - tiles_.begin;
    plan_.update.catch_up(touched, missed, call_.weights + place, call_.moments[0] + place, call_.moments[1] + place,
                          rates_.weights[own], fading_[own], copies);
  }

  // The scores of ``count`` rows in a tile, and zeros for what a panel has more.
  void forward(const SparseRow* rows, int64_t count, const float* weights, bool far, int64_t tile, float* scores) {
    plan_.kernels.sparse_forward(rows, count, weights, far, call_.bias + tile * kTile, scores);
    std::fill(scores + count * kTile, scores + kPanelRows * kTile, 0.0f);
  }

  // The losses of a panel's rows, which leave the gradients in the scores' place.
  void apply_loss(int64_t rows, int64_t group, int64_t part_of_sums, const float* labels, const float* weights,
                  float* scores, float* bias_gradient) {
    std::fill(bias_gradient, bias_gradient + plan_.tiles_of({group, group + 1}).size() * kTile, 0.0f);
    plan_.loss.apply(rates_.loss_panel(group, rows, kPanelRows, labels, weights, scores, transposed_,
                                       sums(part_of_sums), bias_gradient));
  }

  // The update of the member's features, and of the bias.
  void update_weights(const SparseBatch& batch, const SparseFeatures& touched, int64_t begin, int64_t tile,
                      int64_t tile_of_group) {
    const int64_t place = tile * call_.d * kTile, own = tile - tiles_.begin;
    plan_.update.apply_sparse(touched, batch.columns.get() + begin, scores(0) + tile_of_group * kPanelRows * kTile,
                              call_.weights + place, call_.moments[0] + place, call_.moments[1] + place,
                              rates_.weights[own]);
    if (call_.use_bias && member_ == 0)
      plan_.update.apply(1, call_.bias + tile * kTile, call_.bias_moments[0] + tile * kTile,
                         call_.bias_moments[1] + tile * kTile, bias_gradient(0) + tile_of_group * kTile,
                         quotient_up(batch.count, kPanelRows), plan_.group_tiles * kTile, rates_.bias[own]);
  }

  // At the end of a call of so many mini-batches.
  void catch_up_with_all(int64_t batches) {
    const Range mine = part(call_.d);
    int32_t missed[kFlushed];
    for (int64_t begin = mine.begin; begin < mine.end; begin += kFlushed) {
      const int64_t count = std::min(kFlushed, mine.end - begin);
      for (int64_t j = 0; j < count; ++j) missed[j] = static_cast<int32_t>(batches - team_.done[begin + j]);
      for (int64_t t = tiles_.begin; t < tiles_.end; ++t)
        catch_up({nullptr, count, call_.penalty_factors == nullptr ? nullptr : call_.penalty_factors + begin}, missed,
                 t, begin, nullptr);
    }
  }

  void evaluate_panel(int64_t begin, int64_t count, int64_t share) {
    std::fill(labels_, labels_ + kPanelRows, 0.0f);
    std::fill(weights_, weights_ + kPanelRows, 0.0f);
    for (int64_t r = 0; r < count; ++r) {
      const int64_t row = call_.order[begin + r], first = call_.indptr[row];
      rows_[r] = {call_.indices + first, call_.values + first, call_.indptr[row + 1] - first};
      labels_[r] = call_.labels[row];
      weights_[r] = call_.row_weights == nullptr ? 1.0f : call_.row_weights[row];
    }
    for (int64_t group = groups_.begin; group < groups_.end; ++group) {
      const Range tiles = plan_.tiles_of({group, group + 1});
      for (int64_t t = tiles.begin; t < tiles.end; ++t)
        forward(rows_, count, call_.weights + t * call_.d * kTile, true, t,
                scores_ + (t - tiles.begin) * kPanelRows * kTile);
      apply_loss(count, group, share, labels_, weights_, scores_, bias_gradient_);
    }
  }

  const SparsePlan& sparse_;
  const Plan& plan_;
  const Call& call_;
  Shared& shared_;
  Team& team_;
  const int64_t thread_, member_;
  const Range groups_, tiles_;
  RateTable rates_;                                      // of the team's tiles
  FadingRates* fading_;                                  // (tiles)
  int32_t* numbers_;                                     // (d); see SparseBatch
  float* transposed_;                                    // see LossPanel
  float *scores_, *bias_gradient_, *labels_, *weights_;  // of the panel that is evaluated
  SparseRow* rows_;
};

// Scratch memory of all calls: calls run one at a time.
struct Scratch {
  std::mutex in_use;
  Arena shared;
  Arenas teams, threads;
};

void run(const Call& call, bool training) {
  const SparsePlan sparse(call, training);
  static Scratch scratch;
  const std::lock_guard<std::mutex> lock(scratch.in_use);
  Shared shared(sparse, training, scratch.shared);
  std::deque<Team> teams;
  for (int64_t i = 0; i < sparse.teams; ++i) teams.emplace_back(sparse, training, scratch.teams[i]);
  std::deque<Worker> workers;
  for (int64_t i = 0; i < sparse.threads(); ++i)
    workers.emplace_back(sparse, shared, teams[i / sparse.team_size], i, training, scratch.threads[i]);
  run_on_threads(static_cast<int>(sparse.threads()), [&](int thread) {
    const FlushDenormals flush;
    training ? workers[thread].train() : workers[thread].evaluate();
  });
  for (int64_t k = 0; k < call.candidates; ++k) {
    call.sums[k] = 0;
    for (int64_t panel = 0; panel < sparse.panels; ++panel) call.sums[k] += shared.sums[panel * shared.columns + k];
  }
}

}  // namespace

void train_sparse(const Call& call) { run(call, true); }
void evaluate_sparse(const Call& call) { run(call, false); }

}  // namespace linear_learner
