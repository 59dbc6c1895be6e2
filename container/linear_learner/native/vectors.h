// Vectors of kWidth floats, and the few functions of them that losses and updates are written in.
//
// Included once by every kernels_*.cc after kWidth is set, inside an unnamed namespace: each instruction set has its
// own copy, and none leaks into code that must run on every machine. GCC's vector extensions compile for any target.

typedef float Vector __attribute__((vector_size(4 * kWidth), may_alias));
typedef float UnalignedVector __attribute__((vector_size(4 * kWidth), may_alias, aligned(4)));
typedef int32_t Integers __attribute__((vector_size(4 * kWidth), may_alias));
typedef uint32_t Bits __attribute__((vector_size(4 * kWidth), may_alias));

// Arrays of vectors live in registers only if every index is known when they are compiled.
// for (int i = 0; i < count; ++i), without a loop; the count is known when it is compiled.
#define UNROLLED(i, count) _Pragma("GCC unroll 16") for (int i = 0; i < (count); ++i)

#define INLINE static inline __attribute__((always_inline))

INLINE Vector load(const float* from) { return *reinterpret_cast<const UnalignedVector*>(from); }
INLINE void store(float* to, Vector x) { *reinterpret_cast<UnalignedVector*>(to) = x; }
INLINE Vector all(float x) { return x - Vector{}; }

INLINE Bits bits(Vector x) { return reinterpret_cast<Bits>(x); }
INLINE Vector from_bits(Bits x) { return reinterpret_cast<Vector>(x); }
INLINE Vector select(Integers condition, Vector yes, Vector no) { return condition ? yes : no; }

// A first argument that is not a number comes back, so that a diverged candidate's loss shows it. GCC makes two
// instructions of the comparison; the intrinsics are one, and return their second operand if one is no number.
#if defined(__AVX512F__)
constexpr __mmask16 kAllLanes = 0xffff;  // the forms without a mask make GCC 12 warn (its bug 105593)
INLINE Vector maximum(Vector x, Vector bound) {
  return Vector(_mm512_maskz_max_ps(kAllLanes, __m512(bound), __m512(x)));
}
#elif defined(__AVX2__)
INLINE Vector maximum(Vector x, Vector bound) {
  Vector larger;
  for (int i = 0; i < kWidth / 8; ++i)
    reinterpret_cast<__m256*>(&larger)[i] =
        _mm256_max_ps(reinterpret_cast<__m256*>(&bound)[i], reinterpret_cast<__m256*>(&x)[i]);
  return larger;
}
#else
INLINE Vector maximum(Vector x, Vector bound) { return x < bound ? bound : x; }
#endif
INLINE Vector minimum(Vector x, Vector bound) { return bound < x ? bound : x; }

INLINE Vector abs(Vector x) { return from_bits(bits(x) & 0x7fffffffu); }
INLINE Vector minus_abs(Vector x) { return from_bits(bits(x) | 0x80000000u); }
INLINE Vector copy_sign(Vector size, Vector sign) { return from_bits(bits(size) | (bits(sign) & 0x80000000u)); }
INLINE Vector sign(Vector x) { return select(x != 0.0f, copy_sign(all(1.0f), x), Vector{}); }

INLINE Vector square_root(Vector x) {
#if defined(__AVX512F__)
  return Vector(_mm512_maskz_sqrt_ps(kAllLanes, __m512(x)));
#else
  Vector root;
  for (int i = 0; i < kWidth; ++i) root[i] = __builtin_sqrtf(x[i]);
  return root;
#endif
}

// 1 / x for normal x, to 1 ulp.
INLINE Vector reciprocal(Vector x) {
#if defined(__AVX512F__)
  // A division takes as long as all the rest of a loss. One step of Newton's method doubles the 14 right bits.
  const Vector guess = Vector(_mm512_maskz_rcp14_ps(kAllLanes, __m512(x)));
  return guess + guess * (1.0f - x * guess);
#else
  return 1.0f / x;
#endif
}

// exp(x) for x <= 0 to 2 ulp; below -87, where it is 1.6e-38 and nearly denormal, it falls no further.
INLINE Vector exp_of_negative(Vector x) {
  x = maximum(x, all(-87.0f));
  // n = round(x / ln 2): adding 1.5 * 2^23 leaves n in the low bits of the sum.
  const Vector shifted = x * 1.44269504f + 12582912.0f;
  const Vector n = shifted - 12582912.0f;
  // ln 2 in two parts, the first short enough for n times it to be exact.
  const Vector r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  // Minimax polynomial of exp on [-ln 2 / 2, ln 2 / 2] that is 1 at 0, relative error 9e-8. Here and below the terms
  // are paired, for a short chain of operations that wait for each other.
  const Vector r2 = r * r;
  const Vector high = (8.29031478e-3f * r + 4.18979299e-2f) * r2 + (1.66676362e-1f * r + 4.99991496e-1f);
  const Vector p = high * r2 + (9.99999708e-1f * r + 1.0f);
  return from_bits(bits(p) + (bits(shifted) << 23));
}

// log(1 + x) for 0 <= x <= 1 to 2 ulp: x times a minimax polynomial, relative error 3e-8.
INLINE Vector log1p_of_fraction(Vector x) {
  const Vector x2 = x * x, x4 = x2 * x2;
  const Vector low = (-4.99994930e-1f * x + 9.99999970e-1f) + x2 * (-2.48429706e-1f * x + 3.33190947e-1f);
  const Vector high = (-1.36632180e-1f * x + 1.91059789e-1f) + x2 * (-2.95053984e-2f * x + 7.82259391e-2f);
  return x * (low + x4 * (high + x4 * 5.23277085e-3f));
}

// log(x) for x >= 1, to 2 ulp.
INLINE Vector log_of_large(Vector x) {
  // x = 2^n * (1 + f), 0 <= f < 1.
  const Bits exponent = bits(x) >> 23;
  const Vector n = __builtin_convertvector(reinterpret_cast<Integers>(exponent) - 127, Vector);
  const Vector f = from_bits((bits(x) & 0x007fffffu) | 0x3f800000u) - 1.0f;
  const Vector result = (log1p_of_fraction(f) + n * -2.12194440e-4f) + n * 0.693359375f;
  return select(x < __builtin_inff(), result, x);
}

// log(1 + x) for x >= 0.
INLINE Vector log1p(Vector x) { return select(x < 1.0f, log1p_of_fraction(x), log_of_large(1.0f + x)); }

// Swaps between a and b the lanes in which bit ``kBit`` of the lane's number differs from the vector's.
template <int kBit>
INLINE void exchange(Vector& a, Vector& b) {
  Integers low{}, high{};
  UNROLLED(i, kWidth) {
    low[i] = (i & kBit) == 0 ? i : kWidth + i - kBit;
    high[i] = (i & kBit) == 0 ? i + kBit : kWidth + i;
  }
  const Vector new_a = __builtin_shuffle(a, b, low);
  b = __builtin_shuffle(a, b, high);
  a = new_a;
}

// The transpose of a square of kWidth vectors.
template <int kBit = 1>
INLINE void transpose(Vector* square) {
  if constexpr (kBit < kWidth) {
    UNROLLED(i, kWidth)
      if ((i & kBit) == 0) exchange<kBit>(square[i], square[i + kBit]);
    transpose<2 * kBit>(square);
  }
}
