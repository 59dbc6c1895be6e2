// The numbers of records with AVX2. Keys ascend, so that most take as many bytes as the one before: eight of one length
// are read by a dozen instructions.
#include "decoders_record_kernels.h"

#include "decoders_record.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#define LL_AVX2 __attribute__((target("avx2,bmi")))
#define LL_INLINE inline __attribute__((always_inline))

namespace linear_learner {
namespace {

// Puts the bytes of four keys of one length into four lanes.
struct alignas(16) Spread {
  int8_t of[16];
};

constexpr Spread make_spread(int length) {
  Spread spread{};
  for (int i = 0; i < 16; ++i) spread.of[i] = static_cast<int8_t>(i % 4 < length ? i / 4 * length + i % 4 : -1);
  return spread;
}

constexpr Spread kSpreads[5] = {{}, make_spread(1), make_spread(2), make_spread(3), make_spread(4)};

// Of eight keys, a nibble each: the bytes that another one follows.
constexpr uint32_t kContinued[5] = {0, 0, 0x11111111, 0x33333333, 0x77777777};

LL_AVX2 LL_INLINE __m256i load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
LL_AVX2 LL_INLINE void store(void* p, __m256i numbers) { _mm256_storeu_si256(static_cast<__m256i*>(p), numbers); }

LL_AVX2 bool read_keys_avx2(const uint8_t* p, const uint8_t* end, int64_t count, int64_t columns, int32_t* keys) {
  if (!count) return p == end;  // there is no last key to look at
  const __m256i low_bits = _mm256_set1_epi8(0x7F), up = _mm256_setr_epi32(7, 0, 1, 2, 3, 4, 5, 6);
  const __m256i times_128 = _mm256_set1_epi16(static_cast<int16_t>(0x8001));
  const __m256i times_16384 = _mm256_set1_epi32(0x40000001);
  __m256i before = _mm256_set1_epi32(-1);  // the latest key, in the last lane
  uint32_t ascends = 0xFF;
  while (count > 0 && p < end) {
    uint32_t head;
    std::memcpy(&head, p, sizeof head);
    const uint32_t ends = ~head & 0x80808080u;
    if (!ends) return false;
    const int64_t length = (_tzcnt_u32(ends) >> 3) + 1;
    const __m256i spread = _mm256_broadcastsi128_si256(*reinterpret_cast<const __m128i*>(kSpreads[length].of));
    for (int64_t found = 8; found == 8 && count > 0 && p < end; count -= found, keys += found, p += found * length) {
      const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
      const __m128i second = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 4 * length));
      const __m256i bytes = _mm256_shuffle_epi8(_mm256_set_m128i(second, first), spread);
      const __m256i pairs = _mm256_maddubs_epi16(times_128, _mm256_and_si256(bytes, low_bits));
      const __m256i numbers = _mm256_madd_epi16(pairs, times_16384);
      store(keys, numbers);
      const __m256i earlier = _mm256_permutevar8x32_epi32(_mm256_blend_epi32(numbers, before, 0x80), up);
      const __m256i above = _mm256_cmpgt_epi32(numbers, earlier);
      uint32_t higher = static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(above)));
      const uint32_t others = static_cast<uint32_t>(_mm256_movemask_epi8(bytes)) ^ kContinued[length];
      before = numbers;
      if (others || count < 8) {
        found = std::min<int64_t>(others ? _tzcnt_u32(others) >> 2 : 8, count);
        before = _mm256_permutevar8x32_epi32(numbers, _mm256_set1_epi32(static_cast<int32_t>(found - 1)));
        higher |= 0xFFu << found;
      }
      ascends &= higher;
    }
  }
  return !count && p == end && ascends == 0xFF && keys[-1] < columns;
}

LL_AVX2 bool copy_float32_avx2(const uint8_t* from, int64_t count, float* to) {
  if (count < 8) return copy_float32(from, count, to);
  const __m256i all_but_sign = _mm256_set1_epi32(0x7FFFFFFF), largest = _mm256_set1_epi32(0x7F7FFFFF);
  __m256i odd = _mm256_setzero_si256();
  const auto copy_eight = [&](int64_t i) LL_AVX2 {
    const __m256i bits = load(from + 4 * i);
    store(to + i, bits);
    odd = _mm256_or_si256(odd, _mm256_cmpgt_epi32(_mm256_and_si256(bits, all_but_sign), largest));
  };
  for (int64_t i = 0; i + 8 < count; i += 8) copy_eight(i);
  copy_eight(count - 8);  // some of them once more
  return _mm256_testz_si256(odd, odd);
}

}  // namespace

RecordKernels record_kernels(bool portable) {
  if (portable || !__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi")) return {read_keys, copy_float32};
  return {read_keys_avx2, copy_float32_avx2};
}

}  // namespace linear_learner

#else

namespace linear_learner {

RecordKernels record_kernels(bool) { return {read_keys, copy_float32}; }

}  // namespace linear_learner

#endif
