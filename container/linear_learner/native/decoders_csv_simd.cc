// CSV with AVX2: separators are found 64 bytes at a time and a number of up to 31 characters is read by a few dozen
// instructions without a branch on its digits. Every line that is not made of such numbers goes to decode_csv_line.
#include "decoders_csv.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "decoders_number.h"

#define LL_AVX2 __attribute__((target("avx2,bmi,lzcnt,popcnt")))
#define LL_INLINE inline __attribute__((always_inline))

namespace linear_learner {
namespace {

constexpr int64_t kReach = 33;  // a number is read from 33 bytes before its end

struct alignas(64) Constants {
  uint8_t slide[64];  // 32 bytes from slide + n: the last n of them are 0xFF
  uint8_t points[32], zeros[32], nines[32], commas[32], line_breaks[32], digits_and_commas[32], nines_and_zeros[32];
  int8_t tens[32];
  int16_t hundreds[16];
  int16_t ten_thousands[8];
  float signs[2][4];
};

// Filled once; not ``const``, because the compiler would then build each vector anew for every cell.
constexpr Constants make_constants() {
  Constants c{};
  for (int i = 0; i < 32; ++i) {
    c.slide[32 + i] = 0xFF;
    c.points[i] = '.';
    c.zeros[i] = '0';
    c.nines[i] = 9;
    c.commas[i] = ',';
    c.line_breaks[i] = '\n';
    c.digits_and_commas[i] = i % 2 ? ',' : '0';
    c.nines_and_zeros[i] = i % 2 ? 0 : 9;
    c.tens[i] = i % 2 ? 1 : 10;
  }
  for (int i = 0; i < 16; ++i) c.hundreds[i] = i % 2 ? 1 : 100;
  for (int i = 0; i < 8; ++i) c.ten_thousands[i] = i % 2 ? 1 : 10000;
  c.signs[1][0] = -0.0f;
  return c;
}

Constants constants = make_constants();

// The values of the first, second, third and last eight of 32 digits, times a power of ten, one row for each power.
struct alignas(32) Weights {
  double of[2 * kLargestPower + 1][4];
};

constexpr Weights make_weights() {
  Weights weights{};
  for (int power = -kLargestPower; power <= kLargestPower; ++power) {
    for (int group = 0; group < 4; ++group)
      weights.of[kLargestPower + power][group] =
          kPowersOfTen[kLargestPower + power] * kPowersOfTen[kLargestPower + 24 - 8 * group];
  }
  return weights;
}

constexpr Weights weights = make_weights();

LL_AVX2 LL_INLINE __m256i load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }

// 32 digits (0..9 each) times ten to the ``power``, within a few units in the last place.
LL_AVX2 LL_INLINE double join_digits(__m256i digits, int64_t power) {
  const __m256i pairs = _mm256_maddubs_epi16(digits, load(constants.tens));
  const __m256i fours = _mm256_madd_epi16(pairs, load(constants.hundreds));
  const __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(fours), _mm256_extracti128_si256(fours, 1));
  const __m128i eights = _mm_madd_epi16(packed, *reinterpret_cast<const __m128i*>(constants.ten_thousands));
  const __m256d parts = _mm256_mul_pd(_mm256_cvtepi32_pd(eights), _mm256_load_pd(weights.of[kLargestPower + power]));
  const __m128d halves = _mm_add_pd(_mm256_castpd256_pd128(parts), _mm256_extractf128_pd(parts, 1));
  return _mm_cvtsd_f64(_mm_add_sd(halves, _mm_unpackhi_pd(halves, halves)));
}

// The number between begin and end, times ten to the ``exponent`` (-32..64), if it is digits, a point or none among
// them and a minus or none before them, of at most 31 digits, and if its rounding is sure.
LL_AVX2 LL_INLINE bool read_short(const char* begin, const char* end, int64_t exponent, float* value) {
  const bool negative = *begin == '-';
  const uint64_t length = static_cast<uint64_t>(end - begin - negative);
  const __m256i text = load(end - 32);
  const __m256i points = _mm256_cmpeq_epi8(text, load(constants.points));
  uint64_t behind = _lzcnt_u32(static_cast<uint32_t>(_mm256_movemask_epi8(points)));
  const bool has_point = behind < length;
  behind = has_point ? behind : 32;
  const uint64_t digit_count = length - has_point;
  if (digit_count - 1 > 30) return false;
  // The digits before the point move up by one, over the point; without a point, all 32 places are "behind" it.
  __m256i digits = _mm256_blendv_epi8(load(end - 33), text, load(constants.slide + behind));
  digits = _mm256_and_si256(_mm256_sub_epi8(digits, load(constants.zeros)), load(constants.slide + digit_count));
  const __m256i above_nine = _mm256_subs_epu8(digits, load(constants.nines));
  if (!_mm256_testz_si256(above_nine, above_nine)) return false;
  const double number = join_digits(digits, exponent - static_cast<int64_t>(behind & 31));
  const __m128 magnitude = _mm_cvtsd_ss(_mm_setzero_ps(), _mm_set_sd(number));
  _mm_store_ss(value, _mm_or_ps(magnitude, _mm_load_ps(constants.signs[negative])));
  // Without an exponent, 31 digits stay inside the normal range of float32.
  return rounds_surely(number) && (exponent == 0 || number == 0 || is_well_in_range(number));
}

// The same for a number with an exponent of one to three digits.
LL_AVX2 LL_INLINE bool read_scaled(const char* begin, const char* end, float* value) {
  int64_t exponent = 0;
  const char* p = end;
  for (int64_t unit = 1; p - begin > 1 && end - p < 3 && static_cast<unsigned char>(p[-1] - '0') < 10; unit *= 10)
    exponent += unit * (*--p - '0');
  if (p == end) return false;
  const bool negative = p[-1] == '-';
  if (negative || p[-1] == '+') --p;
  if (p - begin < 2 || (p[-1] | 0x20) != 'e') return false;
  exponent = negative ? -exponent : exponent;
  if (exponent < -32 || exponent > kLargestPower) return false;
  return read_short(begin, p - 1, exponent, value);
}

// A cell with blanks, quotes or a plus around such a number, or one that is missing and may be.
LL_AVX2 __attribute__((noinline)) bool read_dressed(const char* begin, const char* end, bool may_be_missing,
                                                    float* value) {
  undress(&begin, &end);
  const char* digits = begin < end && *begin == '+' && begin[1] != '-' ? begin + 1 : begin;
  if (read_short(digits, end, 0, value) || read_scaled(digits, end, value)) return true;
  if (!may_be_missing || !is_missing(begin, end)) return false;
  *value = std::numeric_limits<float>::quiet_NaN();
  return true;
}

LL_AVX2 LL_INLINE bool read_cell(const char* begin, const char* end, bool may_be_missing, float* value) {
  return __builtin_expect(read_short(begin, end, 0, value), 1) || read_dressed(begin, end, may_be_missing, value);
}

// The places of the commas and line breaks of some thousand bytes, found ahead of their use: the work per cell then
// has no branch that depends on where they are.
class Separators {
 public:
  LL_AVX2 Separators(const char* begin, const char* end) : scanned_(begin), end_(end) {}

  // The next separator. There is one if any byte before ``end`` not yet passed is one.
  LL_AVX2 LL_INLINE const char* next() {
    if (__builtin_expect(next_ == last_, 0)) scan();
    return *next_++;
  }

  // Makes the next separator the first one at p or after it. It may have been passed already: sixteen at a time go
  // beyond the end of a short line, which may be blank or a header.
  LL_AVX2 void go_to(const char* p) {
    if (next_ > places_ && next_[-1] >= p) {
      next_ = last_ = places_;
      scanned_ = p;
    }
    for (;;) {
      while (next_ < last_ && *next_ < p) ++next_;
      if (next_ < last_ || scanned_ >= p) return;
      scan_window();
    }
  }

  // Passes over the next 16 separators if they are known and the last of them is at p.
  LL_AVX2 LL_INLINE bool pass_sixteen(const char* p) {
    if (__builtin_expect(next_[15] != p, 1)) return false;
    if (last_ - next_ < 16) return false;
    next_ += 16;
    return true;
  }

 private:
  static constexpr int64_t kWindow = 4096;

  LL_AVX2 LL_INLINE static uint64_t separators_of(const char* p) {
    const __m256i commas = load(constants.commas), line_breaks = load(constants.line_breaks);
    const __m256i first = load(p), second = load(p + 32);
    const __m256i in_first = _mm256_or_si256(_mm256_cmpeq_epi8(first, commas), _mm256_cmpeq_epi8(first, line_breaks));
    const __m256i in_second =
        _mm256_or_si256(_mm256_cmpeq_epi8(second, commas), _mm256_cmpeq_epi8(second, line_breaks));
    return static_cast<uint32_t>(_mm256_movemask_epi8(in_first)) |
           static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(in_second))) << 32;
  }

  // Lists eight separators, there or not: a loop to the exact count would be mispredicted each time.
  LL_AVX2 LL_INLINE static uint64_t list_eight(uint64_t separators, const char* p, const char** place) {
    for (int i = 0; i < 8; ++i) {
      place[i] = p + _tzcnt_u64(separators);
      separators = _blsr_u64(separators);
    }
    return separators;
  }

  LL_AVX2 LL_INLINE void list(uint64_t separators, const char* p) {
    const int64_t count = _mm_popcnt_u64(separators);
    separators = list_eight(separators, p, last_);
    if (count > 8) separators = list_eight(separators, p, last_ + 8);
    if (count > 16) {
      separators = list_eight(separators, p, last_ + 16);
      separators = list_eight(separators, p, last_ + 24);
    }
    for (int64_t done = 32; done < count; done += 8) separators = list_eight(separators, p, last_ + done);
    last_ += count;
  }

  LL_AVX2 __attribute__((noinline)) void scan() {
    while (next_ == last_) scan_window();
  }

  LL_AVX2 void scan_window() {
    next_ = last_ = places_;
    const char* stop = scanned_ + std::min(end_ - scanned_, kWindow);
    for (; stop - scanned_ >= 64; scanned_ += 64) list(separators_of(scanned_), scanned_);
    if (scanned_ < stop) {
      char tail[64] = {};
      std::memcpy(tail, scanned_, static_cast<size_t>(stop - scanned_));
      list(separators_of(tail), scanned_);
      scanned_ = stop;
    }
  }

  const char** next_ = places_;
  const char** last_ = places_;
  const char* scanned_;
  const char* end_;
  const char* places_[kWindow + 64] = {};
};

// Sixteen cells of one digit each ("0,1,0,..."), which one-hot columns and pictures are full of.
LL_AVX2 LL_INLINE bool read_single_digits(const char* p, float* values) {
  const __m256i digits = _mm256_sub_epi8(load(p), load(constants.digits_and_commas));
  const __m256i above = _mm256_subs_epu8(digits, load(constants.nines_and_zeros));
  if (!_mm256_testz_si256(above, above)) return false;
  const __m128i packed = _mm_packus_epi16(_mm256_castsi256_si128(digits), _mm256_extracti128_si256(digits, 1));
  _mm256_storeu_ps(values, _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(packed)));
  _mm256_storeu_ps(values + 8, _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(packed, 8))));
  return true;
}

// The features of a line from its cell at p on: where the next line begins, or nullptr if some cell is no short number.
LL_AVX2 LL_INLINE const char* read_features(const char* p, Separators* separators, bool may_be_missing, float* feature,
                                            float* last) {
  while (feature < last) {
    if (last - feature >= 16 && separators->pass_sixteen(p + 31)) {
      if (!read_single_digits(p, feature)) return nullptr;
      p += 32;
      feature += 16;
      continue;
    }
    const char* stop = separators->next();
    if (*stop != ',' || !read_cell(p, stop, may_be_missing, feature)) return nullptr;
    p = stop + 1;
    ++feature;
  }
  const char* stop = separators->next();
  const char* end = stop - (stop[-1] == '\r');
  return *stop == '\n' && read_cell(p, end, may_be_missing, feature) ? stop + 1 : nullptr;
}

// Decodes lines from ``line`` on until one is not plain, and returns where that begins.
LL_AVX2 const char* read_plain_lines(CsvBlock* block, const char* line, const char* end, Separators* separators) {
  const int64_t label_size = block->layout->label_size, width = block->layout->columns - label_size;
  // With one column, a missing cell and a blank line look alike: decode_csv_line tells them apart.
  const bool may_be_missing = block->layout->allow_missing && block->layout->columns > 1;
  float* features = block->features + block->outcome.rows * width;
  float* label = block->labels + (label_size ? block->outcome.rows : 0);
  for (; line < end; features += width, label += label_size) {
    const char* p = line;
    if (label_size) {
      const char* stop = separators->next();
      if (*stop != ',' || !read_cell(p, stop, false, label)) return line;
      p = stop + 1;
    }
    p = read_features(p, separators, may_be_missing, features, features + width - 1);
    if (!p) return line;
    ++block->outcome.lines;
    ++block->outcome.rows;
    line = p;
  }
  return line;
}

}  // namespace

LL_AVX2 bool decode_csv_simd(CsvBlock* block) {
  const bool has_features = block->layout->columns > block->layout->label_size;
  const char* last_break = block->end;  // only lines with a line break are read here
  while (last_break > block->begin && last_break[-1] != '\n') --last_break;
  Separators separators(block->begin, last_break);
  const char* line = block->begin;
  while (line < block->end) {
    if (has_features && line - block->begin >= kReach && line < last_break)
      line = read_plain_lines(block, line, last_break, &separators);
    if (line < block->end && !(line = decode_csv_line(block, line))) return false;
    separators.go_to(std::min(line, last_break));
  }
  return true;
}

bool has_csv_simd() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("lzcnt") &&
         __builtin_cpu_supports("popcnt");
}

}  // namespace linear_learner

#else

namespace linear_learner {

bool decode_csv_simd(CsvBlock* block) { return decode_csv_portable(block); }

bool has_csv_simd() { return false; }

}  // namespace linear_learner

#endif
