// Decimal text to float32, with the value that Python's float() followed by numpy.float32() gives.
#ifndef LINEAR_LEARNER_NATIVE_DECODERS_NUMBER_H_
#define LINEAR_LEARNER_NATIVE_DECODERS_NUMBER_H_

#include <cstdint>
#include <cstring>

namespace linear_learner {

constexpr int kLargestPower = 64;
// kPowersOfTen[kLargestPower + q] is 1e(q).
inline constexpr double kPowersOfTen[2 * kLargestPower + 1] = {
    1e-64, 1e-63, 1e-62, 1e-61, 1e-60, 1e-59, 1e-58, 1e-57, 1e-56, 1e-55, 1e-54, 1e-53, 1e-52, 1e-51, 1e-50,
    1e-49, 1e-48, 1e-47, 1e-46, 1e-45, 1e-44, 1e-43, 1e-42, 1e-41, 1e-40, 1e-39, 1e-38, 1e-37, 1e-36, 1e-35,
    1e-34, 1e-33, 1e-32, 1e-31, 1e-30, 1e-29, 1e-28, 1e-27, 1e-26, 1e-25, 1e-24, 1e-23, 1e-22, 1e-21, 1e-20,
    1e-19, 1e-18, 1e-17, 1e-16, 1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10, 1e-9,  1e-8,  1e-7,  1e-6,  1e-5,
    1e-4,  1e-3,  1e-2,  1e-1,  1e0,   1e1,   1e2,   1e3,   1e4,   1e5,   1e6,   1e7,   1e8,   1e9,   1e10,
    1e11,  1e12,  1e13,  1e14,  1e15,  1e16,  1e17,  1e18,  1e19,  1e20,  1e21,  1e22,  1e23,  1e24,  1e25,
    1e26,  1e27,  1e28,  1e29,  1e30,  1e31,  1e32,  1e33,  1e34,  1e35,  1e36,  1e37,  1e38,  1e39,  1e40,
    1e41,  1e42,  1e43,  1e44,  1e45,  1e46,  1e47,  1e48,  1e49,  1e50,  1e51,  1e52,  1e53,  1e54,  1e55,
    1e56,  1e57,  1e58,  1e59,  1e60,  1e61,  1e62,  1e63,  1e64,
};

inline uint64_t bits_of(double value) {
  uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// Whether a value within 8 units in the last place of ``approximate``, 0 or in the normal range of float32, rounds to
// the same float32, by way of the nearest double. A double has 29 bits more than a float32; only where they read about
// 1000...0, half-way between two floats, can so small an error tip the rounding.
inline bool rounds_surely(double approximate) {
  constexpr uint64_t kExtraBits = (1u << 29) - 1, kHalf = 1u << 28, kMargin = 16;
  return ((bits_of(approximate) - (kHalf - kMargin)) & kExtraBits) > 2 * kMargin;
}

// Whether a value (>= 0) is well inside the normal range of float32.
inline bool is_well_in_range(double value) { return (bits_of(value) >> 52) - (1023 - 125) < 251; }

inline float with_sign(float magnitude, bool negative) {
  uint32_t bits;
  std::memcpy(&bits, &magnitude, sizeof bits);
  bits |= static_cast<uint32_t>(negative) << 31;
  std::memcpy(&magnitude, &bits, sizeof bits);
  return magnitude;
}

// Reads the number that starts at ``begin`` and goes on as far as its syntax allows: a sign, digits with at most one
// point among them, an exponent. Returns its end, or nullptr where no finite number starts.
const char* read_decimal(const char* begin, const char* end, float* value);

// Whether a cell without blanks around it says that its number is missing: by nothing at all, or "na", "n/a", "null",
// "none", or "nan" with a sign or without, in any case.
bool is_missing(const char* begin, const char* end);

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_DECODERS_NUMBER_H_
