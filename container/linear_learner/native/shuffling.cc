// The order in which an epoch visits its rows: the twin of data/shuffling.py, bit by bit.

#include <stdint.h>

#include <utility>

namespace {

// SplitMix64 (Steele, Lea and Flood 2014): number ``i`` of the sequence that begins at ``seed``.
inline uint64_t draw(uint64_t seed, uint64_t i) {
  uint64_t z = seed + i * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace

extern "C" {

// 0 to rows - 1 in random order (Fisher and Yates, as Durstenfeld does it in place). ``rows`` is at most 2^32.
void ll_shuffle(uint64_t seed, int64_t rows, int64_t* order) {
  for (int64_t i = 0; i < rows; ++i) order[i] = i;
  for (int64_t i = rows - 1; i > 0; --i) {
    const uint64_t upper = draw(seed, i) >> 32;
    std::swap(order[i], order[upper * static_cast<uint64_t>(i + 1) >> 32]);
  }
}

}  // extern "C"
