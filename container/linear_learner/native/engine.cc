#include "engine.h"

#include <math.h>
#include <string.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <stdexcept>
#include <string>

#include "arena.h"
#include "flush_denormals.h"
#include "kernels.h"
#include "thread_pool.h"

namespace linear_learner {
namespace {

// A panel of rows and its scores should stay in the second-level cache while the tiles pass over them.
constexpr int64_t kPanelFloats = 1 << 16;
// Below this many rows, wide tiles would be read from memory too often.
constexpr int64_t kFewestPanelRows = 48;

int64_t round_up(int64_t count, int64_t multiple) { return (count + multiple - 1) / multiple * multiple; }
int64_t quotient_up(int64_t count, int64_t divisor) { return (count + divisor - 1) / divisor; }

template <class Row>
const Row& row_by_name(const Row* rows, int64_t count, const char* name, const char* kind) {
  for (int64_t i = 0; i < count; ++i)
    if (strcmp(rows[i].name, name) == 0) return rows[i];
  throw std::runtime_error(std::string(kind) + " '" + name + "' is not known to the native engine");
}

// What all threads of a call agree on, none of it depending on their number.
//
// Candidates are trained in groups that begin and end with a tile: one tile of 16 candidates, or of a coupled loss the
// fewest candidates whose columns fill whole tiles. Groups never need each other.
struct Plan {
  Plan(const Call& call, bool training)
      : call(call),
        kernels(chosen_kernels()),
        loss(row_by_name(kernels.losses, kernels.num_losses, call.loss, "loss")),
        update(row_by_name(kernels.updates, kernels.num_updates, call.optimizer, "optimizer")),
        training(training) {
    if (call.d < 1 || call.candidates < 1 || call.outputs < 1 || call.mini_batch_size < 1)
      throw std::runtime_error("features, candidates, outputs and mini-batches have at least one element");
    if (!loss.coupled && call.outputs != 1) throw std::runtime_error("a plain loss has one output");
    for (int64_t i = 0; i < call.m; ++i)
      if (call.order[i] < 0 || call.order[i] >= call.n) throw std::runtime_error("order names a row that is not there");

    const int64_t shared = std::gcd(call.outputs, kTile);
    group_candidates = kTile / shared;
    group_tiles = call.outputs / shared;
    groups = quotient_up(call.candidates, group_candidates);

    row_unit = loss.coupled ? std::lcm(kernels.row_block, kernels.width) : kernels.row_block;
    const int64_t rows = kPanelFloats / (call.d + group_tiles * kTile);
    panel_rows = std::clamp(rows / row_unit * row_unit, kFewestPanelRows, kPanelRows);
    const double* const positive_weight = call.rates + kPositiveWeight * call.candidates;
    weighted = call.row_weights != nullptr ||
               std::any_of(positive_weight, positive_weight + call.candidates, [](double weight) { return weight != 1; });
    batch_rows = training ? call.mini_batch_size : std::max<int64_t>(call.m, 1);
  }

  int64_t candidates_before(int64_t group) const { return std::min(group * group_candidates, call.candidates); }

  const Call& call;
  const Kernels& kernels;
  const LossRow& loss;
  const UpdateRow& update;
  const bool training;
  int64_t group_candidates, group_tiles, groups;
  int64_t row_unit;    // the rows in memory of a panel are a multiple of it
  int64_t panel_rows;  // at most
  int64_t batch_rows;  // of a mini-batch, the last one excepted
  bool weighted;       // whether any row counts other than 1 for any candidate
};

// One thread's share of a call: some groups of candidates, through all mini-batches.
class Worker {
 public:
  Worker(const Plan& plan, int64_t first_group, int64_t last_group)
      : plan_(plan),
        call_(plan.call),
        first_group_(first_group),
        last_group_(last_group),
        first_candidate_(plan.candidates_before(first_group)),
        last_candidate_(plan.candidates_before(last_group)),
        first_tile_(first_group * plan.group_tiles),
        tiles_(quotient_up(last_candidate_ * call_.outputs, kTile) - first_tile_) {}

  void run() {
    static thread_local Arena arena;
    arena.start();
    lay_out(arena);
    arena.allocate();
    lay_out(arena);
    fill_constant_rates();
    int64_t update = call_.updates;
    for (int64_t begin = 0; begin < call_.m; begin += plan_.batch_rows, ++update) {
      const int64_t rows = std::min(plan_.batch_rows, call_.m - begin);
      pass_over(begin, rows);
      if (plan_.training) move(update, rows);
    }
    hand_back_sums();
  }

 private:
  void lay_out(Arena& arena) {
    const int64_t columns = tiles_ * kTile, candidates = last_candidate_ - first_candidate_;
    features_ = arena.take<const float*>(plan_.panel_rows);
    next_features_ = arena.take<const float*>(plan_.panel_rows);
    no_features_ = arena.take<float>(call_.d);
    labels_ = arena.take<float>(plan_.panel_rows);
    row_weights_ = arena.take<float>(plan_.panel_rows);
    scores_ = arena.take<float>(plan_.group_tiles * plan_.panel_rows * kTile);
    transposed_ = arena.take<float>(call_.outputs * plan_.kernels.width);
    positive_weight_ = arena.take<float>(columns);
    sums_ = arena.take<double>(std::max(columns, candidates));
    bias_gradient_ = arena.take<float>(columns);
    gradient_ = arena.take<float>(plan_.training ? columns * call_.d : 0);
    rates_ = arena.take<ColumnRates>(tiles_);
    bias_rates_ = arena.take<ColumnRates>(tiles_);
    decays_ = arena.take<int64_t>(candidates);
    decayed_ = arena.take<double>(candidates);
  }

  double rate(Rate row, int64_t candidate) const { return call_.rates[row * call_.candidates + candidate]; }

  // Calls visit(tile, place in the tile) for every column of a candidate.
  template <class Visit>
  void for_columns(int64_t candidate, const Visit& visit) const {
    for (int64_t c = candidate * call_.outputs; c < (candidate + 1) * call_.outputs; ++c)
      visit(c / kTile - first_tile_, c % kTile);
  }

  void fill_constant_rates() {
    for (int64_t k = first_candidate_; k < last_candidate_; ++k) {
      const double momentum = rate(kMomentum, k), beta_1 = rate(kBeta1, k), beta_2 = rate(kBeta2, k);
      const float wd = static_cast<float>(rate(kWd, k)), bias_wd = wd * static_cast<float>(rate(kBiasWdMult, k));
      for_columns(k, [&](int64_t tile, int64_t i) {
        positive_weight_[tile * kTile + i] = static_cast<float>(rate(kPositiveWeight, k));
        for (ColumnRates* rates : {rates_ + tile, bias_rates_ + tile}) {
          rates->momentum[i] = static_cast<float>(momentum), rates->rest_momentum[i] = static_cast<float>(1 - momentum);
          rates->beta_1[i] = static_cast<float>(beta_1), rates->rest_1[i] = static_cast<float>(1 - beta_1);
          rates->beta_2[i] = static_cast<float>(beta_2), rates->rest_2[i] = static_cast<float>(1 - beta_2);
        }
        rates_[tile].wd[i] = wd, rates_[tile].l1[i] = static_cast<float>(rate(kL1, k));
        bias_rates_[tile].wd[i] = bias_wd;
      });
      decays_[k - first_candidate_] = -1;
    }
  }

  // The learning rate of an update, as Rates.learning_rate_at computes it.
  double learning_rate(int64_t candidate, int64_t update) {
    const int64_t decays = update / static_cast<int64_t>(rate(kSchedulerStep, candidate)), i = candidate - first_candidate_;
    if (decays_[i] != decays) {
      decays_[i] = decays;
      const double base = rate(kLearningRate, candidate);
      const double decayed = base * pow(rate(kSchedulerFactor, candidate), static_cast<double>(decays));
      decayed_[i] = static_cast<float>(std::max(decayed, std::min(rate(kSchedulerMinimum, candidate), base)));
    }
    return decayed_[i];
  }

  void fill_rates(int64_t update, int64_t rows) {
    const float scale = static_cast<float>(1.0 / static_cast<double>(rows));
    double momentum = -1, beta_1 = -1, beta_2 = -1, factor = 0;
    for (int64_t k = first_candidate_; k < last_candidate_; ++k) {
      // Candidates mostly agree on these, and powers are dear.
      if (rate(kMomentum, k) != momentum || rate(kBeta1, k) != beta_1 || rate(kBeta2, k) != beta_2) {
        momentum = rate(kMomentum, k), beta_1 = rate(kBeta1, k), beta_2 = rate(kBeta2, k);
        factor = plan_.update.rate_factor(momentum, beta_1, beta_2, static_cast<double>(update));
      }
      const double lr = learning_rate(k, update) * factor;
      for_columns(k, [&](int64_t tile, int64_t i) {
        rates_[tile].rate[i] = static_cast<float>(lr);
        bias_rates_[tile].rate[i] = static_cast<float>(lr * rate(kBiasLrMult, k));
        rates_[tile].scale[i] = bias_rates_[tile].scale[i] = scale;
      });
    }
  }

  // Points at the rows of one panel; rows beyond ``rows`` are zero and weigh nothing.
  void gather(int64_t begin, int64_t rows, int64_t rows_in_memory) {
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t row = call_.order[begin + r];
      features_[r] = call_.features + row * call_.d;
      labels_[r] = call_.labels[row];
      row_weights_[r] = call_.row_weights == nullptr ? 1.0f : call_.row_weights[row];
    }
    std::fill(features_ + rows, features_ + rows_in_memory, no_features_);
    std::fill(labels_ + rows, labels_ + rows_in_memory, 0.0f);
    std::fill(row_weights_ + rows, row_weights_ + rows_in_memory, 0.0f);
  }

  // Points at the rows after those of the panel in hand. They will be asked for while all tiles pass over the panel.
  void look_ahead(int64_t begin) {
    const int64_t count = std::min(plan_.panel_rows, call_.m - begin);
    for (int64_t r = 0; r < count; ++r) next_features_[r] = call_.features + call_.order[begin + r] * call_.d;
    const int64_t lines = quotient_up(call_.d, kTile) + 1, steps = call_.d * tiles_ * (plan_.training ? 2 : 1);
    ahead_ = {next_features_, count, call_.d, static_cast<float>(lines) / static_cast<float>(steps), 0, 0, 0};
  }

  // Adds a mini-batch's losses to the sums and, in training, its gradients to gradient_ and bias_gradient_.
  void pass_over(int64_t begin, int64_t rows) {
    const int64_t panels = quotient_up(rows, plan_.panel_rows);
    // Panels of nearly one size: a last one of a few rows would cost as much as a whole one.
    const int64_t size = round_up(quotient_up(rows, panels), plan_.row_unit);
    for (int64_t done = 0; done < rows; done += size) {
      const int64_t count = std::min(size, rows - done);
      const int64_t in_memory = round_up(count, plan_.row_unit);
      gather(begin + done, count, in_memory);
      look_ahead(begin + done + count);
      for (int64_t group = first_group_; group < last_group_; ++group) pass_group(group, count, in_memory);
    }
  }

  void pass_group(int64_t group, int64_t rows, int64_t rows_in_memory) {
    const int64_t first = plan_.candidates_before(group), last = plan_.candidates_before(group + 1);
    const int64_t before = group * plan_.group_tiles;
    const int64_t tiles = quotient_up(last * call_.outputs, kTile) - before, mine = before - first_tile_;
    const Kernels& kernels = plan_.kernels;
    for (int64_t t = 0; t < tiles; ++t)
      kernels.forward(features_, rows_in_memory, call_.d, call_.weights + (before + t) * call_.d * kTile,
                      call_.bias + (before + t) * kTile, scores_ + t * rows_in_memory * kTile, ahead_);
    LossPanel panel;
    panel.scores = scores_;
    panel.panel_rows = rows_in_memory;
    panel.rows = rows;
    panel.tiles = tiles;
    panel.labels = labels_;
    panel.weights = row_weights_;
    panel.positive_weight = positive_weight_ + mine * kTile;
    panel.weighted = plan_.weighted;
    panel.candidates = last - first;
    panel.outputs = call_.outputs;
    panel.constant = static_cast<float>(call_.constant);
    panel.transposed = transposed_;
    panel.sums = sums_ + (plan_.loss.coupled ? first - first_candidate_ : mine * kTile);
    panel.bias_gradient = bias_gradient_ + mine * kTile;
    plan_.loss.apply(panel);
    if (!plan_.training) return;
    for (int64_t t = 0; t < tiles; ++t)
      kernels.backward(features_, rows, call_.d, scores_ + t * rows_in_memory * kTile,
                       gradient_ + (mine + t) * call_.d * kTile, ahead_);
  }

  // The update of all weights of this thread by a mini-batch's gradient.
  void move(int64_t update, int64_t rows) {
    fill_rates(update, rows);
    for (int64_t t = 0; t < tiles_; ++t) {
      const int64_t place = (first_tile_ + t) * kTile;
      plan_.update.apply(call_.d, call_.weights + place * call_.d, call_.moments[0] + place * call_.d,
                         call_.moments[1] + place * call_.d, gradient_ + t * kTile * call_.d, rates_[t]);
      if (call_.use_bias)
        plan_.update.apply(1, call_.bias + place, call_.bias_moments[0] + place, call_.bias_moments[1] + place,
                           bias_gradient_ + t * kTile, bias_rates_[t]);
      else
        std::fill(bias_gradient_ + t * kTile, bias_gradient_ + (t + 1) * kTile, 0.0f);
    }
  }

  void hand_back_sums() { std::copy(sums_, sums_ + (last_candidate_ - first_candidate_), call_.sums + first_candidate_); }

  const Plan& plan_;
  const Call& call_;
  const int64_t first_group_, last_group_, first_candidate_, last_candidate_, first_tile_, tiles_;

  // The panel in hand, (panel_rows) each, and the rows after it.
  const float **features_, **next_features_;
  float *labels_, *row_weights_;
  const float* no_features_;                  // (d) zeros
  Lookahead ahead_;
  float *scores_, *transposed_;               // of the group in hand; see LossPanel
  float *positive_weight_, *bias_gradient_;   // (tiles * 16)
  float* gradient_;                           // (tiles, d, 16)
  double* sums_;                              // plain: by column; coupled: by candidate
  ColumnRates *rates_, *bias_rates_;          // (tiles)
  int64_t* decays_;                           // (candidates): how often the scheduler has lowered the learning rate
  double* decayed_;                           // (candidates): the learning rate then
};

void run(const Call& call, bool training) {
  const Plan plan(call, training);
  const int64_t threads = std::clamp<int64_t>(call.threads, 1, plan.groups);
  std::atomic<bool> out_of_memory{false};
  run_on_threads(static_cast<int>(threads), [&](int64_t thread) {
    const FlushDenormals flush;
    try {
      Worker(plan, thread * plan.groups / threads, (thread + 1) * plan.groups / threads).run();
    } catch (const std::bad_alloc&) {
      out_of_memory = true;
    }
  });
  if (out_of_memory) throw std::runtime_error("out of memory");
}

}  // namespace

void train(const Call& call) { run(call, true); }
void evaluate(const Call& call) { run(call, false); }

}  // namespace linear_learner
