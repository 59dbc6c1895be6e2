// What the columns of dense rows hold, and rows shifted and scaled column by column: each in one pass over the rows.
//
// One thread does it. Of a stream, another trains meanwhile on the rows before, and uses all processors.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace {

// Columns whose sums, minima and maxima the first-level cache holds, while rows pass over them.
constexpr int64_t kColumnsAtOnce = 1024;

inline float least(float a, float b) { return b < a ? b : a; }
inline float most(float a, float b) { return b > a ? b : a; }

}  // namespace

extern "C" {

// sums, minima and maxima (d) of the columns of features (n, d). All three are NaN for a column that holds a NaN.
void ll_measure_columns(const float* features, int64_t n, int64_t d, double* __restrict sums, float* __restrict minima,
                        float* __restrict maxima) {
  std::fill(sums, sums + d, 0.0);
  std::fill(minima, minima + d, std::numeric_limits<float>::infinity());
  std::fill(maxima, maxima + d, -std::numeric_limits<float>::infinity());
  for (int64_t begin = 0; begin < d; begin += kColumnsAtOnce) {
    const int64_t end = std::min(begin + kColumnsAtOnce, d);
    int64_t r = 0;
    for (; r + 4 <= n; r += 4) {
      const float *const row = features + r * d, *const second = row + d, *const third = second + d,
                         *const fourth = third + d;
      for (int64_t c = begin; c < end; ++c) {
        sums[c] += (double{row[c]} + second[c]) + (double{third[c]} + fourth[c]);
        minima[c] = least(minima[c], least(least(row[c], second[c]), least(third[c], fourth[c])));
        maxima[c] = most(maxima[c], most(most(row[c], second[c]), most(third[c], fourth[c])));
      }
    }
    for (; r < n; ++r) {
      const float* const row = features + r * d;
      for (int64_t c = begin; c < end; ++c) {
        sums[c] += row[c];
        minima[c] = least(minima[c], row[c]);
        maxima[c] = most(maxima[c], row[c]);
      }
    }
  }
  for (int64_t c = 0; c < d; ++c)
    if (std::isnan(sums[c])) minima[c] = maxima[c] = std::numeric_limits<float>::quiet_NaN();
}

// scaled (n, d) = (features (n, d) - mean (d)) / std (d), which may be the features themselves.
void ll_shift_and_scale(const float* features, int64_t n, int64_t d, const float* mean, const float* std,
                        float* scaled) {
  for (int64_t r = 0; r < n; ++r)
    for (int64_t c = 0; c < d; ++c) scaled[r * d + c] = (features[r * d + c] - mean[c]) / std[c];
}

}  // extern "C"
