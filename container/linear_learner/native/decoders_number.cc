#include "decoders_number.h"

#include <charconv>
#include <limits>
#include <system_error>

namespace linear_learner {
namespace {

inline bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

// Whether all eight bytes are digits: the high half of each is 3, before and after adding 6.
inline bool are_eight_digits(uint64_t text) {
  return ((text & 0xF0F0F0F0F0F0F0F0u) | (((text + 0x0606060606060606u) & 0xF0F0F0F0F0F0F0F0u) >> 4)) ==
         0x3333333333333333u;
}

// The value of eight digits, the first in the lowest byte: neighbours are joined to pairs, fours and all eight.
inline uint64_t eight_digits(uint64_t text) {
  text -= 0x3030303030303030u;
  text = (text * 10 + (text >> 8)) & 0x00FF00FF00FF00FFu;
  text = (text * 100 + (text >> 16)) & 0x0000FFFF0000FFFFu;
  return (text * 10000 + (text >> 32)) & 0xFFFFFFFFu;
}

// Appends the digits at p to ``number`` (modulo 2^64) and returns where they end.
inline const char* read_digits(const char* p, const char* end, uint64_t* number) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  uint64_t text;
  while (end - p >= 8 && (std::memcpy(&text, p, 8), are_eight_digits(text))) {
    *number = *number * 100000000 + eight_digits(text);
    p += 8;
  }
#endif
  for (; p < end && is_digit(*p); ++p) *number = *number * 10 + static_cast<uint64_t>(*p - '0');
  return p;
}

// A decimal number by its parts: digits * 10^exponent, where digits holds only if there are at most 19 of them.
struct Decimal {
  const char* end = nullptr;  // nullptr: not a number
  bool negative = false;
  int64_t digit_count = 0;
  uint64_t digits = 0;
  int64_t exponent = 0;
};

constexpr int64_t kExponentCap = 1000000000;  // enough said: no text has as many digits

const char* read_exponent(const char* p, const char* end, int64_t* exponent) {
  const bool negative = p < end && *p == '-';
  if (p < end && (*p == '-' || *p == '+')) ++p;
  if (p == end || !is_digit(*p)) return nullptr;
  int64_t magnitude = 0;
  for (; p < end && is_digit(*p); ++p) {
    if (magnitude < kExponentCap) magnitude = magnitude * 10 + (*p - '0');
  }
  *exponent += negative ? -magnitude : magnitude;
  return p;
}

Decimal split_decimal(const char* p, const char* end) {
  Decimal decimal;
  decimal.negative = p < end && *p == '-';
  if (p < end && (*p == '-' || *p == '+')) ++p;
  const char* start = p;
  p = read_digits(p, end, &decimal.digits);
  decimal.digit_count = p - start;
  if (p < end && *p == '.') {
    const char* fraction = ++p;
    p = read_digits(p, end, &decimal.digits);
    decimal.digit_count += p - fraction;
    decimal.exponent = fraction - p;
  }
  if (decimal.digit_count == 0) return decimal;
  if (p < end && (*p == 'e' || *p == 'E')) p = read_exponent(p + 1, end, &decimal.exponent);
  decimal.end = p;
  return decimal;
}

// Whether a number that no double can hold is too large, not too small: by the place of its first digit above 0.
bool is_too_large(const char* begin, const Decimal& decimal) {
  int64_t leading_zeros = 0;
  for (const char* p = begin; *p < '1' || *p > '9'; ++p) leading_zeros += *p == '0';
  return decimal.digit_count - leading_zeros + decimal.exponent > 0;
}

// The exact way: the nearest double, then the nearest float32.
float round_exactly(const char* begin, const Decimal& decimal) {
  if (*begin == '+') ++begin;
  double value = 0;
  const std::from_chars_result result = std::from_chars(begin, decimal.end, value);
  if (result.ec == std::errc::result_out_of_range) {
    value = is_too_large(begin, decimal) ? std::numeric_limits<double>::infinity() : 0.0;
    return with_sign(static_cast<float>(value), decimal.negative);
  }
  return static_cast<float>(value);
}

float to_float(const char* begin, const Decimal& decimal) {
  if (decimal.digit_count <= 19) {
    if (decimal.digits == 0) return with_sign(0.0f, decimal.negative);
    if (decimal.exponent >= -kLargestPower && decimal.exponent <= kLargestPower) {
      const double value = static_cast<double>(decimal.digits) * kPowersOfTen[kLargestPower + decimal.exponent];
      if (rounds_surely(value) && is_well_in_range(value))
        return with_sign(static_cast<float>(value), decimal.negative);
    }
  }
  return round_exactly(begin, decimal);
}

bool is_infinite(float value) {
  uint32_t bits;  // a test of bits holds under -ffast-math too
  std::memcpy(&bits, &value, sizeof bits);
  return (bits & 0x7FFFFFFFu) == 0x7F800000u;
}

bool equals_word(const char* begin, const char* end, const char* lower_case) {
  for (; begin < end && *lower_case; ++begin, ++lower_case) {
    const char c = *begin >= 'A' && *begin <= 'Z' ? static_cast<char>(*begin + ('a' - 'A')) : *begin;
    if (c != *lower_case) return false;
  }
  return begin == end && !*lower_case;
}

}  // namespace

const char* read_decimal(const char* begin, const char* end, float* value) {
  const Decimal decimal = split_decimal(begin, end);
  if (!decimal.end) return nullptr;
  *value = to_float(begin, decimal);
  return is_infinite(*value) ? nullptr : decimal.end;
}

bool is_missing(const char* begin, const char* end) {
  for (const char* word : {"", "na", "n/a", "null", "none"}) {
    if (equals_word(begin, end, word)) return true;
  }
  if (begin < end && (*begin == '-' || *begin == '+')) ++begin;
  return equals_word(begin, end, "nan");
}

}  // namespace linear_learner
