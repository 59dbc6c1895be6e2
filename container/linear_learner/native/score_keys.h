// Rows of two classes as numbers that order like their scores.
#ifndef LINEAR_LEARNER_NATIVE_SCORE_KEYS_H_
#define LINEAR_LEARNER_NATIVE_SCORE_KEYS_H_

#include <stdint.h>
#include <string.h>

namespace linear_learner {

// The bits of a float, with the negative ones turned round, and below them the row's class, which need not be sorted.
constexpr int kClassBits = 1;

inline uint64_t key_of(float score, uint8_t positive) {
  uint32_t bits;
  memcpy(&bits, &score, sizeof bits);
  bits ^= bits >> 31 ? 0xFFFFFFFFu : 0x80000000u;
  return static_cast<uint64_t>(bits) << kClassBits | (positive != 0);
}

inline float score_of(uint64_t key) {
  uint32_t bits = static_cast<uint32_t>(key >> kClassBits);
  bits ^= bits >> 31 ? 0x80000000u : 0xFFFFFFFFu;
  float score;
  memcpy(&score, &bits, sizeof score);
  return score;
}

// Sorts by radix, by score alone; ``spare`` has room for as many keys. Returns where they ended up.
uint64_t* sort_keys(uint64_t* keys, uint64_t* spare, int64_t rows);

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_SCORE_KEYS_H_
