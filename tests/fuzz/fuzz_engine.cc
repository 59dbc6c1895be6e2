// Trains random chunks of odd shapes with every instruction set and several numbers of threads:
//
//     fuzz_engine SECONDS SEED
//
// All arrays are exactly as large as they must be, so that a sanitizer sees any step beyond them. Besides, threads must
// not change a bit, and instruction sets must agree. With every chunk go some tables of scores; see fuzz_scores.cc. The
// exit code is 0 if nothing was found.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "engine.h"
#include "kernels.h"

const char* wrong_with_scores(std::mt19937_64& random);

namespace {

using namespace linear_learner;

const char* const kPlainLosses[] = {"logistic",      "hinge_loss",
                                    "squared_loss",  "absolute_loss",
                                    "quantile_loss", "eps_insensitive_squared_loss",
                                    "huber_loss",    "eps_insensitive_absolute_loss"};
const char* const kCoupledLosses[] = {"softmax_loss", "multiclass_hinge_loss"};
const char* const kOptimizers[] = {"sgd", "adam", "rmsprop", "adagrad"};
const char* const kInstructionSets[] = {"baseline", "avx2", "avx512"};
constexpr int kTablesPerChunk = 20;
constexpr int kArrays = 8;

struct Random {
  std::mt19937_64 bits;
  int64_t below(int64_t end) { return static_cast<int64_t>(bits() % end); }
  // Mostly small, now and then up to ``most``: sizes at which something ends come up often.
  int64_t size(int64_t most) { return 1 + below(below(3) != 0 ? std::min<int64_t>(most, 20) : most); }
  double between(double low, double high) { return std::uniform_real_distribution<double>(low, high)(bits); }
  std::vector<float> floats(int64_t count, double low, double high) {
    std::vector<float> made(count);
    for (float& x : made) x = static_cast<float>(between(low, high));
    return made;
  }
};

// std::vector may hold more than it shows; this does not.
template <class T>
std::unique_ptr<T[]> exactly(const std::vector<T>& values) {
  std::unique_ptr<T[]> copy(new T[values.size()]);
  std::copy(values.begin(), values.end(), copy.get());
  return copy;
}

struct State {
  std::vector<std::vector<float>> arrays;  // weights, two moments, bias, two moments; averages of weights and of bias
  bool operator==(const State& other) const {
    for (size_t i = 0; i < arrays.size(); ++i)
      if (memcmp(arrays[i].data(), other.arrays[i].data(), arrays[i].size() * sizeof(float)) != 0) return false;
    return true;
  }
};

struct Outcome {
  State state;
  std::vector<double> evaluated, trained;
};

struct Case {
  explicit Case(Random& random) {
    const bool coupled = random.below(3) == 0;
    loss = coupled ? kCoupledLosses[random.below(2)] : kPlainLosses[random.below(8)];
    optimizer = kOptimizers[random.below(4)];
    call.outputs = coupled ? 1 + random.size(40) : 1;
    call.candidates = random.size(coupled ? 20 : 70);
    call.n = random.size(1500), call.d = random.size(700), call.m = random.size(call.n);
    call.mini_batch_size = random.below(4) == 0 ? call.n : random.size(call.n + 10);
    call.use_bias = random.below(2), call.updates = random.below(30), call.constant = random.between(0.1, 0.9);
    sparse = random.below(2) != 0;
    features = random.floats(sparse ? 0 : call.n * call.d, -1, 1);
    if (sparse) store_some(random);
    if (sparse && random.below(2) != 0) factors = random.floats(call.d, 0, 3);
    labels = random.floats(call.n, -1, 1);
    const bool classes = coupled || strcmp(loss, "logistic") == 0 || strcmp(loss, "hinge_loss") == 0;
    for (float& label : labels)
      if (classes) label = static_cast<float>(random.below(coupled ? call.outputs : 2));
    if (random.below(2) != 0) weights = random.floats(call.n, 0, 2);
    order.resize(call.n);
    std::iota(order.begin(), order.end(), 0);
    if (random.below(3) != 0) std::shuffle(order.begin(), order.end(), random.bits);
    order.resize(call.m);
    const double low[kRateCount] = {0.001, 1, 0.8, 1e-4, 0, 0, 0, 0.5, 0.9, 0.5, 0, classes && !coupled ? 0.5 : 1, 0};
    const double high[kRateCount] = {0.02, 5, 1, 1e-3, 0.1, 0.1, 0.9, 0.9, 0.99, 2, 1, classes && !coupled ? 2.0 : 1,
                                     1};
    for (int r = 0; r < kRateCount; ++r)
      for (int64_t k = 0; k < call.candidates; ++k)
        rates.push_back(r == kSchedulerStep ? 1 + random.below(5)
                        : r == kRawPenalty  ? random.below(2)
                                            : random.between(low[r], high[r]));
    const int64_t tiles = (call.candidates * call.outputs + kTile - 1) / kTile;
    for (const int64_t rows : {call.d, int64_t{1}}) {
      for (const double least : {-1.0, -0.1, 0.01}) {
        std::vector<float> array = random.floats(tiles * rows * kTile, least, least < 0 ? -least : 0.1);
        for (size_t i = 0; i < array.size(); ++i)
          if (static_cast<int64_t>(i) / (rows * kTile) * kTile + static_cast<int64_t>(i) % kTile >=
              call.candidates * call.outputs)
            array[i] = 0;
        start.arrays.push_back(array);
      }
    }
    for (const int64_t rows : {call.d, int64_t{1}}) start.arrays.emplace_back(tiles * rows * kTile);
    if (!sparse && random.below(2) != 0) {
      call.snapshot_rows = call.mini_batch_size * (1 + random.below(4));
      call.snapshot_done = call.mini_batch_size * random.below(4);
    }
  }

  // Rows that store some of their values: none, a few, or all.
  void store_some(Random& random) {
    const int64_t often = random.below(4) == 0 ? 1 : 1 + random.below(200);
    indptr.push_back(0);
    for (int64_t i = 0; i < call.n; ++i) {
      for (int64_t j = random.below(often); j < call.d; j += 1 + random.below(often))
        indices.push_back(static_cast<int32_t>(j));
      indptr.push_back(indices.size());
    }
    values = random.floats(indices.size(), -1, 1);
  }

  Outcome run(int threads) const {
    const auto x = exactly(features), y = exactly(labels), w = exactly(weights), stored = exactly(values);
    const auto penalty_factors = exactly(factors);
    const auto rows = exactly(order), starts = exactly(indptr);
    const auto columns = exactly(indices);
    const auto table = exactly(rates);
    std::unique_ptr<float[]> arrays[kArrays];
    for (int i = 0; i < kArrays; ++i) arrays[i] = exactly(start.arrays[i]);
    const std::unique_ptr<double[]> sums(new double[call.candidates]);
    Call made = call;
    made.features = sparse ? nullptr : x.get();
    if (sparse) made.indptr = starts.get(), made.indices = columns.get(), made.values = stored.get();
    made.labels = y.get(), made.row_weights = weights.empty() ? nullptr : w.get();
    made.order = rows.get(), made.rates = table.get(), made.loss = loss, made.optimizer = optimizer;
    made.weights = arrays[0].get(), made.moments[0] = arrays[1].get(), made.moments[1] = arrays[2].get();
    made.bias = arrays[3].get(), made.bias_moments[0] = arrays[4].get(), made.bias_moments[1] = arrays[5].get();
    made.penalty_factors = factors.empty() ? nullptr : penalty_factors.get();
    made.average_weights = arrays[6].get(), made.average_bias = arrays[7].get();
    made.sums = sums.get(), made.threads = threads;

    Outcome outcome;
    evaluate(made);
    outcome.evaluated.assign(sums.get(), sums.get() + call.candidates);
    train(made);
    outcome.trained.assign(sums.get(), sums.get() + call.candidates);
    for (int i = 0; i < kArrays; ++i)
      outcome.state.arrays.emplace_back(arrays[i].get(), arrays[i].get() + start.arrays[i].size());
    return outcome;
  }

  std::string name() const {
    char text[256];
    snprintf(text, sizeof text, "%s %s %s n=%ld d=%ld m=%ld K=%ld C=%ld batch=%ld", loss, optimizer,
             sparse ? "sparse" : "dense", static_cast<long>(call.n), static_cast<long>(call.d),
             static_cast<long>(call.m), static_cast<long>(call.candidates), static_cast<long>(call.outputs),
             static_cast<long>(call.mini_batch_size));
    return text;
  }

  Call call{};
  const char *loss, *optimizer;
  bool sparse;
  std::vector<float> features, labels, weights, values, factors;
  std::vector<int64_t> order, indptr;
  std::vector<int32_t> indices;
  std::vector<double> rates;
  State start;
};

bool same(const Outcome& one, const Outcome& other) {
  return one.state == other.state && one.evaluated == other.evaluated && one.trained == other.trained;
}

// Evaluations only: training may part ways where a score meets a kink of its loss.
bool close(const Outcome& one, const Outcome& other) {
  for (size_t k = 0; k < one.evaluated.size(); ++k)
    if (!(fabs(one.evaluated[k] - other.evaluated[k]) <= 1e-3 + 1e-4 * fabs(one.evaluated[k]))) return false;
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return 2;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(atoi(arguments[1]));
  Random random{std::mt19937_64(strtoull(arguments[2], nullptr, 10))};
  int64_t cases = 0;
  for (; std::chrono::steady_clock::now() < end; ++cases) {
    for (int i = 0; i < kTablesPerChunk; ++i) {
      const char* const wrong = wrong_with_scores(random.bits);
      if (wrong == nullptr) continue;
      printf("%s\n", wrong);
      return 1;
    }
    const Case tried(random);
    std::unique_ptr<Outcome> first;
    for (const char* name : kInstructionSets) {
      if (!choose_kernels(name)) continue;
      const Outcome alone = tried.run(1);
      for (const int threads : {2, 3, 7}) {
        if (same(alone, tried.run(threads))) continue;
        printf("%s: %d threads change the bits of %s\n", name, threads, tried.name().c_str());
        return 1;
      }
      if (first == nullptr) first = std::make_unique<Outcome>(alone);
      if (close(*first, alone)) continue;
      printf("%s differs from other kernels: %s\n", name, tried.name().c_str());
      return 1;
    }
  }
  printf("%ld chunks trained, nothing found\n", static_cast<long>(cases));
}
