#include "decoders_libsvm.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <utility>
#include <vector>

#include "decoders_number.h"

namespace linear_learner {
namespace {

constexpr int64_t kLargestColumn = 2147483646;

// As Python's bytes.split() has it; a line holds no line break.
inline bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

inline bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

inline const char* skip_spaces(const char* p, const char* end) {
  while (p < end && is_space(*p)) ++p;
  return p;
}

inline const char* token_end(const char* p, const char* end) {
  while (p < end && !is_space(*p)) ++p;
  return p;
}

inline const char* find(char wanted, const char* p, const char* end) {
  const void* found = p < end ? std::memchr(p, wanted, static_cast<size_t>(end - p)) : nullptr;
  return found ? static_cast<const char*>(found) : end;
}

// The number from p to the end of its token, and where that is; nullptr if it is none.
inline const char* read_value(const char* p, const char* end, bool may_be_missing, float* value) {
  const char* stop = read_decimal(p, end, value);
  if (stop && (stop == end || is_space(*stop))) return stop;
  stop = token_end(p, end);
  if (!may_be_missing || !is_missing(p, stop)) return nullptr;
  *value = std::numeric_limits<float>::quiet_NaN();
  return stop;
}

class Decoder {
 public:
  Decoder(const ll_libsvm_layout& layout, int32_t* columns, float* values)
      : layout_(layout), columns_(columns), values_(values) {}

  int64_t written() const { return written_; }

  // Writes the pairs of the line from p to end, without its comment and not blank. Returns whether all is well.
  bool add_row(const char* p, const char* end, float* label) {
    const int64_t start = written_;
    const char* first_end = token_end(p, end);
    if (layout_.label_size || find(':', p, first_end) == first_end) {
      const char* pairs = skip_spaces(first_end, end);
      float skipped;
      // A request's label counts for nothing where pairs follow.
      if ((label || pairs == end) && !read_value(p, end, false, label ? label : &skipped)) return false;
      p = pairs;
    }
    if (end - p >= 4 && !std::memcmp(p, "qid:", 4)) p = skip_spaces(token_end(p, end), end);
    bool ascending = true;
    for (int64_t before = -1; p < end; p = skip_spaces(p, end)) {
      p = add_pair(p, end);
      if (!p) return false;
      const int64_t column = columns_[written_ - 1];
      ascending = ascending && column > before;
      before = column;
    }
    return ascending || sort_row(start);
  }

 private:
  const char* add_pair(const char* p, const char* end) {
    const char* begin = p;
    int64_t index = 0;
    for (; p < end && is_digit(*p); ++p) {
      index = index * 10 + (*p - '0');
      if (index > kLargestColumn + layout_.index_base) return nullptr;
    }
    if (p == begin || p == end || *p != ':' || index < layout_.index_base) return nullptr;
    const int64_t column = index - layout_.index_base;
    if (layout_.feature_dim && column >= layout_.feature_dim) return nullptr;
    columns_[written_] = static_cast<int32_t>(column);
    p = read_value(p + 1, end, layout_.allow_missing, values_ + written_);
    ++written_;
    return p;
  }

  // Puts the pairs of the latest row in order. Returns whether no column is there twice.
  bool sort_row(int64_t start) {
    pairs_.clear();
    for (int64_t i = start; i < written_; ++i) pairs_.emplace_back(columns_[i], values_[i]);
    std::sort(pairs_.begin(), pairs_.end(), [](const Pair& a, const Pair& b) { return a.first < b.first; });
    for (size_t i = 0; i < pairs_.size(); ++i) {
      if (i && pairs_[i].first == pairs_[i - 1].first) return false;
      columns_[start + static_cast<int64_t>(i)] = pairs_[i].first;
      values_[start + static_cast<int64_t>(i)] = pairs_[i].second;
    }
    return true;
  }

  using Pair = std::pair<int32_t, float>;

  const ll_libsvm_layout& layout_;
  int32_t* columns_;
  float* values_;
  int64_t written_ = 0;
  std::vector<Pair> pairs_;
};

}  // namespace
}  // namespace linear_learner

using namespace linear_learner;

extern "C" {

int64_t ll_libsvm_row_capacity(int64_t size) { return size / 2 + 1; }

// A blank, a digit, a colon: the value may be missing.
int64_t ll_libsvm_capacity(int64_t size) { return size / 3 + 1; }

int32_t ll_libsvm_decode(const char* data, int64_t size, const ll_libsvm_layout* layout, int64_t* row_starts,
                         int64_t* row_numbers, int32_t* columns, float* values, float* labels, ll_outcome* outcome) {
  std::memset(outcome, 0, sizeof *outcome);
  if (size < 0 || layout->feature_dim < 0 || (layout->label_size && !labels)) return kBadCall;
  Decoder decoder(*layout, columns, values);
  const char* const block_end = data + size;
  row_starts[0] = 0;
  try {
    for (const char* p = data; p < block_end;) {
      const char* line_end = find('\n', p, block_end);
      ++outcome->lines;
      const char* end = find('#', p, line_end);
      const char* begin = skip_spaces(p, end);
      if (begin < end) {
        if (!decoder.add_row(begin, end, layout->label_size ? labels + outcome->rows : nullptr)) return kBadRows;
        row_numbers[outcome->rows++] = outcome->lines;
        row_starts[outcome->rows] = decoder.written();
      }
      p = line_end == block_end ? block_end : line_end + 1;
    }
  } catch (const std::bad_alloc&) {
    return kOutOfMemory;
  }
  outcome->values = decoder.written();
  return kDone;
}
}
