// Scores of many columns counted in buckets, and the cuts that lie inside some of those.
//
// Most thresholds can be told from two counts to be no good; only rows whose bucket may hold the best one are sorted.

#include <stdint.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <new>

#include "score_keys.h"
#include "thread_pool.h"

namespace linear_learner {
namespace {

using Limits = std::numeric_limits<float>;

constexpr int64_t kSampledRows = 1024;

// So many columns at a time, whose counts the second-level cache holds.
constexpr int kLanes = 4;
typedef float Floats __attribute__((vector_size(4 * kLanes)));
typedef int32_t Integers __attribute__((vector_size(4 * kLanes)));

// visit(c) for c below ``width``, without a loop where that is kLanes.
template <class Visit>
inline void for_lanes(int width, const Visit& visit) {
  if (width == kLanes)
    for (int c = 0; c < kLanes; ++c) visit(c);
  else
    for (int c = 0; c < width; ++c) visit(c);
}

inline Integers bits(Floats x) { return reinterpret_cast<Integers>(x); }
inline Integers size_below(Floats x, float limit) { return reinterpret_cast<Floats>(bits(x) & 0x7fffffff) < limit; }

// Subnormal numbers are 0: on a thread that flushes them they are equal to it.
inline Floats flushed(Floats x) { return reinterpret_cast<Floats>(bits(x) & ~size_below(x, Limits::min())); }

// How the scores of some columns fall into buckets.
struct Scale {
  Floats lowest, per_unit;
  float last;

  // Higher scores are never in lower buckets. The first and the last have all that is beyond the ends.
  Integers buckets(Floats flushed_scores) const {
    const Floats place = (flushed_scores - lowest) * per_unit, least = place > 0.0f ? place : 0.0f;
    return __builtin_convertvector(least < last ? least : last, Integers);
  }
};

struct Table {
  const float* scores;  // (rows, columns)
  const uint8_t* positive;
  int64_t rows, columns, buckets;

  Floats row(int64_t r, int64_t first, int width) const {
    Floats row{};
    const float* const place = scores + r * columns + first;
    for_lanes(width, [&](int c) { row[c] = place[c]; });
    return row;
  }

  // Equal buckets between the ends of a sample.
  Scale scale_of(int64_t first, int width) const {
    Floats low = Limits::max() - Floats{}, high = -low, per_unit;
    const int64_t step = std::max<int64_t>(1, rows / kSampledRows);
    for (int64_t r = 0; r < rows; r += step) {
      const Floats sample = flushed(row(r, first, width));
      low = sample < low ? sample : low, high = sample > high ? sample : high;
    }
    const float count = static_cast<float>(buckets);
    for (int c = 0; c < kLanes; ++c) per_unit[c] = high[c] > low[c] ? count / (high[c] - low[c]) : 0.0f;
    return {low, per_unit, count - 1};
  }

  // visit(first of some columns, how many) for all, shared out to threads.
  template <class Visit>
  void for_columns(int threads, const Visit& visit) const {
    const int64_t sharers = std::clamp<int64_t>(columns, 1, threads);
    run_on_threads(static_cast<int>(sharers), [&](int thread) {
      const int64_t end = (thread + 1) * columns / sharers;
      for (int64_t first = thread * columns / sharers; first < end; first += kLanes)
        visit(first, static_cast<int>(std::min<int64_t>(kLanes, end - first)));
    });
  }
};

}  // namespace
}  // namespace linear_learner

using namespace linear_learner;

extern "C" {

// How many rows of either class have their score in each bucket: ``counts`` (columns, 2, buckets), the negative rows of
// a column first. ``finite`` (columns) says whether all scores of a column are less in size than the largest float; the
// counts of another one mean nothing.
void ll_bucket_scores(const float* scores, const uint8_t* positive, int64_t rows, int64_t columns, int64_t buckets,
                      int threads, int32_t* counts, uint8_t* finite) {
  const Table table{scores, positive, rows, columns, buckets};
  table.for_columns(threads, [&](int64_t first, int width) {
    std::fill(counts + first * 2 * buckets, counts + (first + width) * 2 * buckets, 0);
    const Scale scale = table.scale_of(first, width);
    Integers small = ~Integers{};
    for (int64_t r = 0; r < rows; ++r) {
      const Floats row = table.row(r, first, width);
      const Integers places = scale.buckets(flushed(row));
      small &= size_below(row, Limits::max());
      int32_t* const of_class = counts + (first * 2 + (positive[r] != 0)) * buckets;
      for_lanes(width, [&](int c) { ++of_class[c * 2 * buckets + places[c]]; });
    }
    for (int c = 0; c < width; ++c) finite[first + c] = small[c] != 0;
  });
}

// For every different score inside the ``open`` (columns, buckets) buckets, how many rows of either class score at
// least as much: ``positives`` and ``negatives``, those of column c from begins[c] on, found[c] of them. They have room
// for begins[columns], all rows in the open buckets. ``above`` (columns, 2, buckets): the rows in higher buckets.
// Returns -1 without memory, else 0.
int ll_cuts_in_buckets(const float* scores, const uint8_t* positive, int64_t rows, int64_t columns, int64_t buckets,
                       int threads, const uint8_t* open, const int64_t* above, const int64_t* begins, int64_t* found,
                       int64_t* positives, int64_t* negatives) {
  const Table table{scores, positive, rows, columns, buckets};
  const std::unique_ptr<uint64_t[]> memory(new (std::nothrow) uint64_t[2 * begins[columns]]);
  if (!memory) return -1;
  uint64_t* const spare = memory.get() + begins[columns];
  table.for_columns(threads, [&](int64_t first, int width) {
    const Scale scale = table.scale_of(first, width);
    uint64_t* ends[kLanes];
    for (int c = 0; c < width; ++c) ends[c] = memory.get() + begins[first + c];
    for (int64_t r = 0; r < rows; ++r) {
      const Floats row = flushed(table.row(r, first, width));
      const Integers places = scale.buckets(row);
      for_lanes(width, [&](int c) {
        if (open[(first + c) * buckets + places[c]]) *ends[c]++ = key_of(row[c], positive[r]);
      });
    }
    for (int c = 0; c < width; ++c) {
      const int64_t begin = begins[first + c], count = ends[c] - (memory.get() + begin);
      int64_t& cuts = found[first + c] = 0;
      if (count == 0) continue;
      const uint64_t* const keys = sort_keys(memory.get() + begin, spare + begin, count);
      const int64_t* const higher = above + (first + c) * 2 * buckets;
      int64_t place = -1, counted[2] = {};
      for (int64_t i = count - 1; i >= 0; --i) {
        const float score = score_of(keys[i]);
        if (const int64_t own = scale.buckets(score - Floats{})[c]; own != place)
          place = own, counted[0] = higher[own], counted[1] = higher[buckets + own];
        ++counted[keys[i] & 1];
        if (i > 0 && score_of(keys[i - 1]) == score) continue;
        positives[begin + cuts] = counted[1];
        negatives[begin + cuts++] = counted[0];
      }
    }
  });
  return 0;
}

}  // extern "C"
