// The losses: twins of the functions of the same names in model/losses.py, with value and gradient side by side.
//
// Included by kernels_body.h, see vectors.h. To add a loss, write its struct and its line in LOSSES.
//
// A plain loss sees kWidth candidates of a row. If it has odds, the loss is value + log(1 + odds): of rows that weigh
// the same, the logarithms need not be taken one by one. A coupled loss sees all C scores of a candidate for kWidth
// rows, and leaves the gradients in the scores' place. ``constant`` is the loss's one constant, if it has one.

struct logistic {
  static constexpr bool kCoupled = false, kHasOdds = true;
  INLINE Vector odds(Vector score) { return exp_of_negative(minus_abs(score)); }
  INLINE void at(Vector score, Vector odds, Vector label, float, Vector& value, Vector& gradient) {
    const Vector inverse = reciprocal(1.0f + odds);
    value = maximum(score, Vector{}) - score * label;
    gradient = select(score >= 0.0f, inverse, odds * inverse) - label;
  }
};

struct hinge_loss {
  static constexpr bool kCoupled = false, kHasOdds = false;
  INLINE void at(Vector score, Vector label, float margin, Vector& value, Vector& gradient) {
    const Vector sign = 2.0f * label - 1.0f;
    const Vector slack = margin - sign * score;
    value = maximum(slack, Vector{});
    gradient = select(slack > 0.0f, -sign, Vector{});
  }
};

struct squared_loss {
  static constexpr bool kCoupled = false, kHasOdds = false;
  INLINE void at(Vector score, Vector label, float, Vector& value, Vector& gradient) {
    const Vector error = score - label;
    value = error * error;
    gradient = 2.0f * error;
  }
};

struct absolute_loss {
  static constexpr bool kCoupled = false, kHasOdds = false;
  INLINE void at(Vector score, Vector label, float, Vector& value, Vector& gradient) {
    const Vector error = score - label;
    value = abs(error);
    gradient = sign(error);
  }
};

struct eps_insensitive_squared_loss {
  static constexpr bool kCoupled = false, kHasOdds = false;
  INLINE void at(Vector score, Vector label, float epsilon, Vector& value, Vector& gradient) {
    const Vector error = score - label;
    const Vector over = maximum(abs(error) - epsilon, Vector{});
    value = over * over;
    gradient = 2.0f * copy_sign(over, error);
  }
};

struct eps_insensitive_absolute_loss {
  static constexpr bool kCoupled = false, kHasOdds = false;
  INLINE void at(Vector score, Vector label, float epsilon, Vector& value, Vector& gradient) {
    const Vector error = score - label;
    const Vector size = abs(error);
    value = maximum(size - epsilon, Vector{});
    gradient = select(size > epsilon, sign(error), Vector{});
  }
};

struct quantile_loss {
  static constexpr bool kCoupled = false, kHasOdds = false;
  INLINE void at(Vector score, Vector label, float quantile, Vector& value, Vector& gradient) {
    const Vector error = label - score;
    value = maximum(quantile * error, (quantile - 1.0f) * error);
    gradient = select(error < 0.0f, all(1.0f - quantile), select(error > 0.0f, all(-quantile), Vector{}));
  }
};

struct huber_loss {
  static constexpr bool kCoupled = false, kHasOdds = false;
  INLINE float steepness(float delta) { return delta > 1.0f ? 1.0f : delta > 0x1p-126f ? delta : 0x1p-126f; }
  INLINE void at(Vector score, Vector label, float delta, Vector& value, Vector& gradient) {
    const Vector error = score - label;
    const Vector size = abs(error);
    const Vector inside = minimum(size, all(delta));
    value = inside * (size - 0.5f * inside);
    gradient = copy_sign(inside * (1.0f / steepness(delta)), error);
  }
};

struct softmax_loss {
  static constexpr bool kCoupled = true;
  INLINE void at(Vector* scores, int64_t outputs, Vector label, float, Vector& value) {
    Vector highest = scores[0];
    for (int64_t c = 1; c < outputs; ++c) highest = maximum(highest, scores[c]);
    Vector sum{}, right{};
    for (int64_t c = 0; c < outputs; ++c) {
      const Vector shifted = scores[c] - highest;
      right = select(label == static_cast<float>(c), shifted, right);
      scores[c] = exp_of_negative(shifted);
      sum += scores[c];
    }
    value = log_of_large(sum) - right;
    const Vector inverse = reciprocal(sum);
    for (int64_t c = 0; c < outputs; ++c)
      scores[c] = scores[c] * inverse - select(label == static_cast<float>(c), all(1.0f), Vector{});
  }
};

struct multiclass_hinge_loss {
  static constexpr bool kCoupled = true;
  INLINE void at(Vector* scores, int64_t outputs, Vector label, float margin, Vector& value) {
    Vector right{}, wrong = all(-1e30f), rivals{}, poison{};
    for (int64_t c = 0; c < outputs; ++c) {
      const Integers is_right = label == static_cast<float>(c);
      right = select(is_right, scores[c], right);
      wrong = select(is_right, wrong, maximum(wrong, scores[c]));
      poison += 0.0f * scores[c];  // Not a number where any score is none: a comparison would hide it.
    }
    for (int64_t c = 0; c < outputs; ++c)
      rivals += select((label != static_cast<float>(c)) & (scores[c] == wrong), all(1.0f), Vector{});
    const Vector slack = margin + wrong - right + poison;
    value = maximum(slack, Vector{});
    // Several classes that tie for the highest wrong score share the blame.
    const Vector blame = select(slack > 0.0f, all(1.0f), Vector{});
    const Vector share = blame / maximum(rivals, all(1.0f));
    for (int64_t c = 0; c < outputs; ++c) {
      const Vector rival = select(scores[c] == wrong, share, Vector{});
      scores[c] = select(label == static_cast<float>(c), -blame, rival);
    }
  }
};

#define LOSSES(ROW)                  \
  ROW(logistic)                      \
  ROW(hinge_loss)                    \
  ROW(softmax_loss)                  \
  ROW(multiclass_hinge_loss)         \
  ROW(squared_loss)                  \
  ROW(absolute_loss)                 \
  ROW(eps_insensitive_squared_loss)  \
  ROW(eps_insensitive_absolute_loss) \
  ROW(quantile_loss)                 \
  ROW(huber_loss)
