// Rows of two classes along their scores: the counts from which thresholds are chosen and areas measured.

#include <stdint.h>

#include <memory>
#include <new>

#include "score_keys.h"

namespace linear_learner {
namespace {

constexpr int kDigitBits = 8, kDigits = 4, kBuckets = 1 << kDigitBits;

int64_t digit(uint64_t key, int place) {
  return static_cast<int64_t>(key >> (kClassBits + place * kDigitBits)) & (kBuckets - 1);
}

}  // namespace

uint64_t* sort_keys(uint64_t* keys, uint64_t* spare, int64_t rows) {
  // From the last digit to the first.
  int64_t counts[kDigits][kBuckets] = {};
  for (int64_t i = 0; i < rows; ++i)
    for (int place = 0; place < kDigits; ++place) ++counts[place][digit(keys[i], place)];
  for (int place = 0; place < kDigits; ++place) {
    int64_t* next = counts[place];
    if (next[digit(keys[0], place)] == rows) continue;  // all have the same digit there
    int64_t before = 0;
    for (int bucket = 0; bucket < kBuckets; ++bucket) {
      const int64_t count = next[bucket];
      next[bucket] = before;
      before += count;
    }
    for (int64_t i = 0; i < rows; ++i) spare[next[digit(keys[i], place)]++] = keys[i];
    uint64_t* const sorted = spare;
    spare = keys;
    keys = sorted;
  }
  return keys;
}

}  // namespace linear_learner

using namespace linear_learner;

extern "C" {

// The different scores, ascending, to ``distinct`` (rows), and how many rows of either class score at least as much to
// ``positives`` and ``negatives`` (rows + 1), a 0 after the last. Equal are what compares as equal, 0 and -0 too.
// Returns how many scores there are; -1 without memory.
int64_t ll_rank(const float* scores, const uint8_t* positive, int64_t rows, float* distinct, int64_t* positives,
                int64_t* negatives) {
  if (rows < 1) return 0;
  const std::unique_ptr<uint64_t[]> memory(new (std::nothrow) uint64_t[2 * rows]);
  if (!memory) return -1;
  int64_t positives_left = 0;
  for (int64_t i = 0; i < rows; ++i) memory[i] = key_of(scores[i], positive[i]);
  for (int64_t i = 0; i < rows; ++i) positives_left += positive[i] != 0;
  const uint64_t* keys = sort_keys(memory.get(), memory.get() + rows, rows);
  int64_t found = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const float score = score_of(keys[i]);
    if (!found || distinct[found - 1] != score) {
      distinct[found] = score;
      positives[found] = positives_left;
      negatives[found] = rows - i - positives_left;
      ++found;
    }
    positives_left -= keys[i] & 1;
  }
  positives[found] = negatives[found] = 0;
  return found;
}

}  // extern "C"
