// The kernels for sparse rows. Included by kernels_body.h, inside its unnamed namespace.
//
// The weights of a feature, its moments and the scores of a row are lines of 16 floats: with a cache line each,
// wherever it is, memory is asked for nothing that is not used.

// Lines that memory may have under way while one is worked on.
constexpr int64_t kLinesAhead = 12;

INLINE void fetch(const float* line) { __builtin_prefetch(line); }

// A feature's penalties: see ColumnRates. ``root``: of its penalty factor.
INLINE Vector wd_of(const ColumnRates& rates, int64_t c, float factor) {
  return load(rates.wd + c) + factor * load(rates.raw_wd + c);
}
INLINE Vector l1_of(const ColumnRates& rates, int64_t c, float root) {
  return load(rates.l1 + c) + root * load(rates.raw_l1 + c);
}

// sums += the lines of a row, each times its value. Several sums are under way at once, since each addition waits for
// the one before.
INLINE void add_lines(const SparseRow& row, const float* lines, Vector* sums) {
  constexpr int kChains = 4;
  Vector chains[kChains][kVectors] = {};
  int64_t i = 0;
  for (; i + kChains <= row.count; i += kChains)
    UNROLLED(c, kChains)
      UNROLLED(v, kVectors)
        chains[c][v] += row.values[i + c] * load(lines + row.places[i + c] * int64_t{kTile} + v * kWidth);
  for (; i < row.count; ++i)
    UNROLLED(v, kVectors) sums[v] += row.values[i] * load(lines + row.places[i] * int64_t{kTile} + v * kWidth);
  UNROLLED(v, kVectors) sums[v] += (chains[0][v] + chains[1][v]) + (chains[2][v] + chains[3][v]);
}

void sparse_forward(const SparseRow* rows, int64_t count, const float* weights, bool far, const float* bias,
                    float* scores) {
  for (int64_t r = 0; r < count; ++r) {
    if (far && r + 1 < count)
      for (int64_t i = 0; i < rows[r + 1].count; ++i) fetch(weights + rows[r + 1].places[i] * int64_t{kTile});
    Vector sums[kVectors];
    UNROLLED(v, kVectors) sums[v] = load(bias + v * kWidth);
    add_lines(rows[r], weights, sums);
    UNROLLED(v, kVectors) store(scores + r * kTile + v * kWidth, sums[v]);
  }
}

// See UpdateRow::catch_up, and catch_up in training/engines/optimizers.py.
template <class Update>
void apply_catch_up(const SparseFeatures& touched, const int32_t* missed, float* weights, float* first, float* second,
                    const ColumnRates& rates, const FadingRates& fading, float* copies) {
  for (int64_t j = 0; j < touched.count; ++j) {
    if (j + kLinesAhead < touched.count) {
      const int64_t ahead = touched.line(j + kLinesAhead);
      fetch(weights + ahead);
      if constexpr (Update::kFirstMoment) fetch(first + ahead);
      if constexpr (Update::kSecondMoment) fetch(second + ahead);
    }
    const int64_t line = touched.line(j);
    const float factor = touched.penalty_factor(j), root = __builtin_sqrtf(factor);
    const float n = static_cast<float>(missed[j]);
    for (int v = 0; v < kVectors; ++v) {
      const int64_t c = v * kWidth, i = line + c;
      Vector w = load(weights + i);
      if (n > 0) {
        Vector m0{}, m1{};
        if constexpr (Update::kFirstMoment) m0 = load(first + i);
        if constexpr (Update::kSecondMoment) m1 = load(second + i);
        const Vector step = Update::size(m1, load(rates.rate + c)), due = n * step;
        if constexpr (Update::kFirstMoment) {
          const Vector left = exp_of_negative(n * load(fading.log_first + c));
          w = w - step * m0 * (load(fading.run_out + c) * (1.0f - left));
          store(first + i, left * m0);
        }
        if constexpr (Update::kSecondMoment) store(second + i, exp_of_negative(n * load(fading.log_second + c)) * m1);
        w = soft(w / (1.0f + due * wd_of(rates, c, factor)), due * l1_of(rates, c, root));
        store(weights + i, w);
      }
      if (copies != nullptr) store(copies + j * kTile + c, w);
    }
  }
}

// See UpdateRow::apply_sparse.
template <class Update>
void apply_sparse_update(const SparseFeatures& touched, const SparseRow* columns, const float* scores, float* weights,
                         float* first, float* second, const ColumnRates& rates) {
  ColumnVectors column_rates[kVectors];
  Vector scale[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    const int64_t c = v * kWidth;
    column_rates[v] = {load(rates.rate + c),   load(rates.momentum + c), load(rates.rest_momentum + c),
                       load(rates.beta_1 + c), load(rates.rest_1 + c),   load(rates.beta_2 + c),
                       load(rates.rest_2 + c)};
    scale[v] = load(rates.scale + c);
  }
  for (int64_t j = 0; j < touched.count; ++j) {
    if (j + kLinesAhead < touched.count) {
      const int64_t ahead = touched.line(j + kLinesAhead);
      fetch(weights + ahead);
      if constexpr (Update::kFirstMoment) fetch(first + ahead);
      if constexpr (Update::kSecondMoment) fetch(second + ahead);
    }
    const float factor = touched.penalty_factor(j), root = __builtin_sqrtf(factor);
    Vector gradient[kVectors] = {};
    add_lines(columns[j], scores, gradient);
    for (int v = 0; v < kVectors; ++v) {
      const int64_t c = v * kWidth, i = touched.line(j) + c;
      Vector w = load(weights + i), m0{}, m1{}, s, m;
      if constexpr (Update::kFirstMoment) m0 = load(first + i);
      if constexpr (Update::kSecondMoment) m1 = load(second + i);
      Update::step(scale[v] * gradient[v] + wd_of(rates, c, factor) * w, m0, m1, column_rates[v], s, m);
      store(weights + i, soft(w - s * m, s * l1_of(rates, c, root)));
      if constexpr (Update::kFirstMoment) store(first + i, m0);
      if constexpr (Update::kSecondMoment) store(second + i, m1);
    }
  }
}
