// What the block decoders share: how a problem in the data is reported, and how a block is cut into parts for threads.
#ifndef LINEAR_LEARNER_NATIVE_DECODERS_H_
#define LINEAR_LEARNER_NATIVE_DECODERS_H_

#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

extern "C" {

// Something wrong in a row or record. decoders.py mirrors this struct and gives the kinds their names.
struct ll_problem {
  int64_t kind;
  int64_t row;       // line of the block (CSV) or record of the block (RecordIO), from 1
  int64_t column;    // cell of the line, or feature of the record, from 1; 0: the row as a whole, or its label
  int64_t offset;    // of the offending bytes, from the start of the block
  int64_t length;    // of the offending bytes
  int64_t expected;  // a width, a shape or a number of bytes, by kind
  int64_t found;
  double value;  // RecordIO: the number that is not finite as float32
};

enum { kProblemsKept = 8 };

// What a decoded block holds.
struct ll_outcome {
  int64_t rows;      // good rows written
  int64_t lines;     // lines or records seen, blank and bad ones included
  int64_t values;    // sparse rows: non-zeros written
  int64_t bad_rows;  // rows with a problem; the first kProblemsKept of them are described
  int64_t last_bad_row;
  ll_problem problems[kProblemsKept];
};
}

namespace linear_learner {

enum ProblemKind : int64_t {
  kNotANumber = 1,
  kMissing = 2,  // an empty cell, NaN, or a word that stands for them
  kInfinite = 3,
  kOutOfRange = 4,  // a finite number that float32 cannot hold
  kWrongWidth = 5,  // cells or features: expected, found
  kUnterminatedQuote = 6,
  kBadMagic = 7,
  kTruncated = 8,         // bytes: expected, found
  kBrokenParts = 9,       // a record in parts that lacks its first or last one
  kMalformed = 10,        // no protobuf message
  kNoFeatures = 11,       // no tensor features["values"], or an empty one
  kLabelCount = 12,       // labels: expected 1, found
  kMixedLayouts = 13,     // a dense record among sparse ones, or a sparse one among dense ones
  kWrongShape = 14,       // values: expected by the shape, found; or a sparse record without a shape
  kKeyCount = 15,         // keys of a sparse record: expected as many as values, found
  kKeyOutsideShape = 16,  // key: expected less than, found
  kDuplicateKey = 17,     // key: found
};

// What the functions of the C interface return.
enum Status : int32_t { kDone = 0, kOutOfMemory = 1, kBadCall = 2 };

constexpr int kMaxThreads = 64;

inline void add_problem(ll_outcome* outcome, const ll_problem& problem) {
  if (outcome->bad_rows < kProblemsKept) outcome->problems[outcome->bad_rows] = problem;
  ++outcome->bad_rows;
  outcome->last_bad_row = problem.row;
}

// Adds the problems and counts of a later part to those of the parts before it.
inline void append_outcome(ll_outcome* total, const ll_outcome& part) {
  for (int64_t i = 0; i < part.bad_rows && i < kProblemsKept; ++i) {
    ll_problem problem = part.problems[i];
    problem.row += total->lines;
    add_problem(total, problem);
  }
  if (part.bad_rows > kProblemsKept) total->bad_rows += part.bad_rows - kProblemsKept;
  if (part.bad_rows) total->last_bad_row = total->lines + part.last_bad_row;
  total->rows += part.rows;
  total->lines += part.lines;
  total->values += part.values;
}

// Runs work(part) for every part, one thread each; the last one runs here, and so does any whose thread does not start.
template <class Part, class Work>
void run_parts(std::vector<Part>& parts, const Work& work) {
  std::vector<std::thread> threads;
  threads.reserve(parts.size());
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    Part* part = &parts[i];
    try {
      threads.emplace_back([part, &work] { work(*part); });
    } catch (const std::exception&) {
      work(*part);
    }
  }
  if (!parts.empty()) work(parts.back());
  for (std::thread& thread : threads) thread.join();
}

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_DECODERS_H_
