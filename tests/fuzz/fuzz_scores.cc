// Counts random scores, measures and scales their columns and shuffles rows, and does the same in a plain way; see
// fuzz_engine.cc, which calls it.

#include <stdint.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <vector>

extern "C" {
void ll_bucket_scores(const float*, const uint8_t*, int64_t, int64_t, int64_t, int, int32_t*, uint8_t*);
int ll_cuts_in_buckets(const float*, const uint8_t*, int64_t, int64_t, int64_t, int, const uint8_t*, const int64_t*,
                       const int64_t*, int64_t*, int64_t*, int64_t*);
int64_t ll_rank(const float*, const uint8_t*, int64_t, float*, int64_t*, int64_t*);
void ll_shuffle(uint64_t, int64_t, int64_t*);
void ll_measure_columns(const float*, int64_t, int64_t, double*, float*, float*);
void ll_shift_and_scale(const float*, int64_t, int64_t, const float*, const float*, float*);
}

namespace {

using Limits = std::numeric_limits<float>;
using ByClass = std::array<int64_t, 2>;

int64_t below(std::mt19937_64& random, int64_t end) { return static_cast<int64_t>(random() % end); }

// Arrays of just the size they should have, so that a step beyond them is seen.
template <class T>
std::unique_ptr<T[]> room_for(int64_t count) {
  return std::unique_ptr<T[]>(new T[count]);
}

float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

const float kOdd[] = {Limits::infinity(), -Limits::infinity(), Limits::max(),
                      -Limits::max(),     Limits::quiet_NaN(), 1e30f};

float random_score(std::mt19937_64& random, int64_t kind) {
  const uint32_t bits = static_cast<uint32_t>(random());
  switch (kind) {
    case 0: return from_bits(bits);               // now and then nan
    case 1: return from_bits(bits & 0x80FFFFFF);  // about as many subnormal as normal
    case 2: return static_cast<float>(below(random, 7) - 3) * (bits % 2 ? 1.0f : -1.0f);
    case 3: return bits % 50 ? static_cast<float>(bits % 7) : kOdd[below(random, 6)];
    default: return bits % 50 ? std::uniform_real_distribution<float>(-1, 1)(random) : 1e30f;
  }
}

struct Table {
  explicit Table(std::mt19937_64& random)
      : rows(1 + below(random, below(random, 20) ? 70 : 3000)), columns(1 + below(random, 13)) {
    scores = room_for<float>(rows * columns), positive = room_for<uint8_t>(rows);
    for (int64_t r = 0; r < rows; ++r) positive[r] = below(random, 2) != 0;
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t kind = below(random, 5);
      for (int64_t r = 0; r < rows; ++r) scores[r * columns + c] = random_score(random, kind);
    }
  }

  // How many rows of either class have each score.
  template <class Change>
  std::map<float, ByClass> counted(int64_t column, const Change& change) const {
    std::map<float, ByClass> counts;
    for (int64_t r = 0; r < rows; ++r) ++counts[change(scores[r * columns + column])][positive[r]];
    return counts;
  }

  template <class Holds>
  bool all_scores(int64_t column, const Holds& holds) const {
    for (int64_t r = 0; r < rows; ++r)
      if (!holds(scores[r * columns + column])) return false;
    return true;
  }

  const int64_t rows, columns;
  std::unique_ptr<float[]> scores;
  std::unique_ptr<uint8_t[]> positive;
};

float flushed(float x) { return std::abs(x) < Limits::min() ? 0.0f : x; }

// The bucket of each score, which must not be lower than that of the score before. None if the counts are wrong.
std::vector<int64_t> buckets_of(const std::map<float, ByClass>& rows, const int32_t* counts, int64_t buckets) {
  std::vector<int64_t> places;
  int64_t place = 0;
  ByClass left{counts[0], counts[buckets]};
  for (const auto& [score, count] : rows) {
    for (; left == ByClass{} && place + 1 < buckets; ++place) left = {counts[place + 1], counts[buckets + place + 1]};
    for (int k = 0; k < 2; ++k)
      if ((left[k] -= count[k]) < 0) return {};
    places.push_back(place);
  }
  return left == ByClass{} ? places : std::vector<int64_t>{};
}

bool are_cuts(const std::map<float, ByClass>& rows, std::vector<int64_t> places, const uint8_t* open, int64_t found,
              const int64_t* positives, const int64_t* negatives) {
  int64_t cut = 0;
  ByClass above{};
  for (auto score = rows.rbegin(); score != rows.rend(); ++score, places.pop_back()) {
    for (int k = 0; k < 2; ++k) above[k] += score->second[k];
    if (!open[places.back()]) continue;
    if (cut == found || positives[cut] != above[1] || negatives[cut] != above[0]) return false;
    ++cut;
  }
  return cut == found;
}

const char* wrong_with_buckets(const Table& table, std::mt19937_64& random) {
  const int64_t columns = table.columns, buckets = 1 + below(random, 20);
  const int threads = static_cast<int>(1 + below(random, 4));
  auto counts = room_for<int32_t>(columns * 2 * buckets);
  auto finite = room_for<uint8_t>(columns), open = room_for<uint8_t>(columns * buckets);
  ll_bucket_scores(table.scores.get(), table.positive.get(), table.rows, columns, buckets, threads, counts.get(),
                   finite.get());
  const auto counts_of = [&](int64_t c, int k) { return counts.get() + (c * 2 + k) * buckets; };

  auto above = room_for<int64_t>(columns * 2 * buckets), begins = room_for<int64_t>(columns + 1);
  begins[0] = 0;
  for (int64_t c = 0; c < columns; ++c) {
    begins[c + 1] = begins[c];
    ByClass higher{};
    for (int64_t b = buckets - 1; b >= 0; --b) {
      open[c * buckets + b] = below(random, 3) != 0;
      for (int k = 0; k < 2; ++k) {
        above[(c * 2 + k) * buckets + b] = higher[k];
        higher[k] += counts_of(c, k)[b];
        if (open[c * buckets + b]) begins[c + 1] += counts_of(c, k)[b];
      }
    }
    if (higher[0] + higher[1] != table.rows) return "buckets do not have every row once";
  }
  auto found = room_for<int64_t>(columns), positives = room_for<int64_t>(begins[columns]),
       negatives = room_for<int64_t>(begins[columns]);
  if (ll_cuts_in_buckets(table.scores.get(), table.positive.get(), table.rows, columns, buckets, threads, open.get(),
                         above.get(), begins.get(), found.get(), positives.get(), negatives.get()) != 0)
    return "ll_cuts_in_buckets failed";
  for (int64_t c = 0; c < columns; ++c) {
    if (finite[c] != table.all_scores(c, [](float x) { return std::abs(x) < Limits::max(); }))
      return "a column is not told to be finite, or told wrongly";
    if (!finite[c]) continue;
    const auto rows = table.counted(c, flushed);
    const std::vector<int64_t> places = buckets_of(rows, counts_of(c, 0), buckets);
    if (places.empty()) return "the counts of buckets are wrong";
    if (!are_cuts(rows, places, open.get() + c * buckets, found[c], positives.get() + begins[c],
                  negatives.get() + begins[c]))
      return "the cuts in open buckets are wrong";
  }
  return nullptr;
}

const char* wrong_with_ranks(const Table& table) {
  auto scores = room_for<float>(table.rows), distinct = room_for<float>(table.rows);
  auto positives = room_for<int64_t>(table.rows + 1), negatives = room_for<int64_t>(table.rows + 1);
  for (int64_t r = 0; r < table.rows; ++r) scores[r] = table.scores[r * table.columns];
  const int64_t found =
      ll_rank(scores.get(), table.positive.get(), table.rows, distinct.get(), positives.get(), negatives.get());
  if (!table.all_scores(0, [](float x) { return x == x; })) return nullptr;
  const auto rows = table.counted(0, [](float x) { return x; });
  if (found != static_cast<int64_t>(rows.size())) return "ll_rank does not find every score once";
  int64_t place = found;
  ByClass above{};
  for (auto score = rows.rbegin();; ++score, --place) {
    if (positives[place] != above[1] || negatives[place] != above[0]) return "the counts of ll_rank are wrong";
    if (score == rows.rend()) return nullptr;
    if (distinct[place - 1] != score->first) return "the scores of ll_rank are wrong";
    for (int k = 0; k < 2; ++k) above[k] += score->second[k];
  }
}

const char* wrong_with_columns(const Table& table) {
  auto sums = room_for<double>(table.columns);
  auto minima = room_for<float>(table.columns), maxima = room_for<float>(table.columns);
  ll_measure_columns(table.scores.get(), table.rows, table.columns, sums.get(), minima.get(), maxima.get());
  for (int64_t c = 0; c < table.columns; ++c) {
    if (!table.all_scores(c, [](float x) { return std::isfinite(x); })) continue;
    const auto rows = table.counted(c, [](float x) { return x; });
    if (minima[c] != rows.begin()->first || maxima[c] != rows.rbegin()->first) return "ll_measure_columns is wrong";
  }
  auto scaled = room_for<float>(table.rows * table.columns);
  ll_shift_and_scale(table.scores.get(), table.rows, table.columns, minima.get(), maxima.get(), scaled.get());
  for (int64_t i = 0; i < table.rows * table.columns; ++i) {
    const float expected = (table.scores[i] - minima[i % table.columns]) / maxima[i % table.columns];
    if (scaled[i] != expected && (scaled[i] == scaled[i] || expected == expected)) return "ll_shift_and_scale is wrong";
  }
  return nullptr;
}

const char* wrong_with_shuffle(int64_t rows, std::mt19937_64& random) {
  auto order = room_for<int64_t>(rows);
  ll_shuffle(random(), rows, order.get());
  std::sort(order.get(), order.get() + rows);
  for (int64_t i = 0; i < rows; ++i)
    if (order[i] != i) return "ll_shuffle does not give every row once";
  return nullptr;
}

}  // namespace

// What is wrong with the answers for a random table; null if nothing is.
const char* wrong_with_scores(std::mt19937_64& random) {
  const Table table(random);
  if (const char* wrong = wrong_with_buckets(table, random)) return wrong;
  if (const char* wrong = wrong_with_ranks(table)) return wrong;
  if (const char* wrong = wrong_with_columns(table)) return wrong;
  return wrong_with_shuffle(table.rows, random);
}
