#include "column_rates.h"

#include <math.h>
#include <string.h>

#include <algorithm>

namespace linear_learner {

void RateTable::lay_out(const Plan& plan, Range groups, Arena& arena) {
  plan_ = &plan;
  candidates_ = plan.candidates_of(groups);
  tiles_ = plan.tiles_of(groups);
  weights = arena.take<ColumnRates>(tiles_.size());
  bias = arena.take<ColumnRates>(tiles_.size());
  positive_weight = arena.take<float>(tiles_.size() * kTile);
  decays_ = arena.take<int64_t>(candidates_.size());
  decayed_ = arena.take<double>(candidates_.size());
}

double RateTable::rate(Rate row, int64_t candidate) const {
  return plan_->call.rates[row * plan_->call.candidates + candidate];
}

// Calls visit(tile of this table, place in the tile) for every column of a candidate.
template <class Visit>
void RateTable::for_columns(int64_t candidate, const Visit& visit) const {
  const int64_t outputs = plan_->call.outputs;
  for (int64_t c = candidate * outputs; c < (candidate + 1) * outputs; ++c) visit(c / kTile - tiles_.begin, c % kTile);
}

void RateTable::fill_constants() {
  // Padding columns have rates of zero: what is zero there stays zero.
  memset(static_cast<void*>(weights), 0, tiles_.size() * sizeof(ColumnRates));
  memset(static_cast<void*>(bias), 0, tiles_.size() * sizeof(ColumnRates));
  std::fill(positive_weight, positive_weight + tiles_.size() * kTile, 0.0f);
  std::fill(decays_, decays_ + candidates_.size(), -1);
  for (int64_t k = candidates_.begin; k < candidates_.end; ++k) {
    const double momentum = rate(kMomentum, k), beta_1 = rate(kBeta1, k), beta_2 = rate(kBeta2, k);
    const float wd = static_cast<float>(rate(kWd, k)), l1 = static_cast<float>(rate(kL1, k));
    // Rows without factors have factors of 1.
    const bool is_raw = rate(kRawPenalty, k) != 0 && plan_->call.penalty_factors != nullptr;
    const float bias_wd = wd * static_cast<float>(rate(kBiasWdMult, k));
    for_columns(k, [&](int64_t tile, int64_t i) {
      positive_weight[tile * kTile + i] = static_cast<float>(rate(kPositiveWeight, k));
      for (ColumnRates* rates : {weights + tile, bias + tile}) {
        rates->momentum[i] = static_cast<float>(momentum), rates->rest_momentum[i] = static_cast<float>(1 - momentum);
        rates->beta_1[i] = static_cast<float>(beta_1), rates->rest_1[i] = static_cast<float>(1 - beta_1);
        rates->beta_2[i] = static_cast<float>(beta_2), rates->rest_2[i] = static_cast<float>(1 - beta_2);
      }
      (is_raw ? weights[tile].raw_wd : weights[tile].wd)[i] = wd;
      (is_raw ? weights[tile].raw_l1 : weights[tile].l1)[i] = l1;
      bias[tile].wd[i] = bias_wd;
    });
  }
}

// The learning rate of an update, as Rates.learning_rate_at computes it.
double RateTable::learning_rate(int64_t candidate, int64_t update) {
  const int64_t decays = update / static_cast<int64_t>(rate(kSchedulerStep, candidate));
  const int64_t i = candidate - candidates_.begin;
  if (decays_[i] != decays) {
    decays_[i] = decays;
    const double base = rate(kLearningRate, candidate);
    const double decayed = base * pow(rate(kSchedulerFactor, candidate), static_cast<double>(decays));
    decayed_[i] = static_cast<float>(std::max(decayed, std::min(rate(kSchedulerMinimum, candidate), base)));
  }
  return decayed_[i];
}

void RateTable::fill(int64_t update, int64_t rows) {
  const float scale = static_cast<float>(1.0 / static_cast<double>(rows));
  double momentum = -1, beta_1 = -1, beta_2 = -1, factor = 0;
  for (int64_t k = candidates_.begin; k < candidates_.end; ++k) {
    // Candidates mostly agree on these, and powers are dear.
    if (rate(kMomentum, k) != momentum || rate(kBeta1, k) != beta_1 || rate(kBeta2, k) != beta_2) {
      momentum = rate(kMomentum, k), beta_1 = rate(kBeta1, k), beta_2 = rate(kBeta2, k);
      factor = plan_->update.rate_factor(momentum, beta_1, beta_2, static_cast<double>(update));
    }
    const double lr = learning_rate(k, update) * factor;
    const float lr_of_weights = static_cast<float>(lr), lr_of_bias = static_cast<float>(lr * rate(kBiasLrMult, k));
    for_columns(k, [&](int64_t tile, int64_t i) {
      weights[tile].rate[i] = lr_of_weights;
      bias[tile].rate[i] = lr_of_bias;
      weights[tile].scale[i] = bias[tile].scale[i] = scale;
    });
  }
}

LossPanel RateTable::loss_panel(int64_t group, int64_t rows, int64_t panel_rows, const float* labels,
                                const float* row_weights, float* scores, float* transposed, double* sums,
                                float* bias_gradient) const {
  const Range tiles = plan_->tiles_of({group, group + 1}), candidates = plan_->candidates_of({group, group + 1});
  LossPanel panel;
  panel.scores = scores;
  panel.panel_rows = panel_rows;
  panel.rows = rows;
  panel.tiles = tiles.size();
  panel.labels = labels;
  panel.weights = row_weights;
  panel.positive_weight = positive_weight + (tiles.begin - tiles_.begin) * kTile;
  panel.weighted = plan_->weighted;
  panel.candidates = candidates.size();
  panel.outputs = plan_->call.outputs;
  panel.constant = static_cast<float>(plan_->call.constant);
  panel.transposed = transposed;
  panel.sums = sums + candidates.begin;
  panel.bias_gradient = bias_gradient;
  return panel;
}

}  // namespace linear_learner
