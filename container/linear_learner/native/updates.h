// The optimizers: twins of the functions of the same names in training/engines/optimizers.py.
//
// Included by kernels_body.h, see vectors.h. To add an optimizer, write its struct and its line in UPDATES.
//
// ``step`` turns a gradient g into a step s and a direction m for kWidth columns; the caller then sets
// w = soft(w - s * m, s * l1). ``rate_factor`` is what the learning rate is multiplied with at update t (from 0).
// ``size`` is s by the second moment as it is. A gradient of zero multiplies the moments by their ``fading``.

INLINE Vector soft(Vector w, Vector bound) { return copy_sign(maximum(abs(w) - bound, Vector{}), w); }

struct ColumnVectors {  // One vector of each row of ColumnRates.
  Vector rate, momentum, rest_momentum, beta_1, rest_1, beta_2, rest_2;
};

struct sgd {
  static constexpr bool kFirstMoment = true, kSecondMoment = false;
  static double rate_factor(double momentum, double, double, double) { return 1 / (1 - momentum); }
  static double first_fading(double momentum, double) { return momentum; }
  static double second_fading(double) { return 1; }
  INLINE Vector size(Vector, Vector rate) { return rate; }
  INLINE void step(Vector g, Vector& first, Vector&, const ColumnVectors& c, Vector& s, Vector& m) {
    first = c.momentum * first + c.rest_momentum * g;
    s = c.rate;
    m = first;
  }
};

struct adam {
  static constexpr bool kFirstMoment = true, kSecondMoment = true;
  static double rate_factor(double, double beta_1, double beta_2, double t) {
    return sqrt(1 - pow(beta_2, t + 1)) / (1 - pow(beta_1, t + 1));
  }
  static double first_fading(double, double beta_1) { return beta_1; }
  static double second_fading(double beta_2) { return beta_2; }
  INLINE Vector size(Vector second, Vector rate) { return rate / (square_root(second) + 1e-8f); }
  INLINE void step(Vector g, Vector& first, Vector& second, const ColumnVectors& c, Vector& s, Vector& m) {
    first = c.beta_1 * first + c.rest_1 * g;
    second = c.beta_2 * second + c.rest_2 * (g * g);
    s = size(second, c.rate);
    m = first;
  }
};

struct rmsprop {
  static constexpr bool kFirstMoment = false, kSecondMoment = true;
  static double rate_factor(double, double, double, double) { return 1; }
  static double first_fading(double, double) { return 0; }
  static double second_fading(double) { return 0.9; }
  INLINE Vector size(Vector second, Vector rate) { return rate / (square_root(second) + 1e-8f); }
  INLINE void step(Vector g, Vector&, Vector& second, const ColumnVectors& c, Vector& s, Vector& m) {
    second = 0.9f * second + 0.1f * (g * g);
    s = size(second, c.rate);
    m = g;
  }
};

struct adagrad {
  static constexpr bool kFirstMoment = false, kSecondMoment = true;
  static double rate_factor(double, double, double, double) { return 1; }
  static double first_fading(double, double) { return 0; }
  static double second_fading(double) { return 1; }
  INLINE Vector size(Vector second, Vector rate) { return rate / (square_root(second) + 1e-7f); }
  INLINE void step(Vector g, Vector&, Vector& second, const ColumnVectors& c, Vector& s, Vector& m) {
    second = second + g * g;
    s = size(second, c.rate);
    m = g;
  }
};

#define UPDATES(ROW) \
  ROW(sgd)           \
  ROW(adam)          \
  ROW(rmsprop)       \
  ROW(adagrad)
