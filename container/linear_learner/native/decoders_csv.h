// CSV rows of numbers: what the plain and the AVX2 decoder share.
//
// A row is a line: a cell in quotes cannot hold a line break. So a file can be cut after any line break.
#ifndef LINEAR_LEARNER_NATIVE_DECODERS_CSV_H_
#define LINEAR_LEARNER_NATIVE_DECODERS_CSV_H_

#include <cstdint>

#include "decoders.h"

extern "C" {

// What the rows of a block look like. decoders.py mirrors this struct.
struct ll_csv_layout {
  int64_t columns;        // cells of a row, the label included
  int64_t label_size;     // 1: the first cell is the label; 0: there is none
  int64_t allow_missing;  // 1: a missing feature is NaN; 0: it makes a row bad
  int64_t portable;       // 1: use no instruction set beyond the baseline, to hold one decoder against the other
  const char* header;     // lines equal to this are skipped like blank ones; may be null
  int64_t header_size;
};
}

namespace linear_learner {

// Whole lines, and where their rows go.
struct CsvBlock {
  const char* begin;
  const char* end;
  const ll_csv_layout* layout;
  float* features;  // (rows, columns - label_size)
  float* labels;    // (rows,), or null
  ll_outcome outcome;
};

// Decodes one line that starts at ``line``, of any form, and returns where the next one starts, or nullptr if it is
// bad. A row is written after the block's rows so far; blank lines and headers are only counted.
const char* decode_csv_line(CsvBlock* block, const char* line);

inline bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

inline void trim(const char** begin, const char** end) {
  while (*begin < *end && is_blank(**begin)) ++*begin;
  while (*begin < *end && is_blank((*end)[-1])) --*end;
}

// Takes blanks off a cell, and a pair of quotes with the blanks in it.
inline void undress(const char** begin, const char** end) {
  trim(begin, end);
  if (*end - *begin < 2 || **begin != '"' || (*end)[-1] != '"') return;
  ++*begin;
  --*end;
  trim(begin, end);
}

// Decode all lines of a block; false at the first bad one. The second one is for machines on which ``has_csv_simd``.
bool decode_csv_portable(CsvBlock* block);
bool decode_csv_simd(CsvBlock* block);
bool has_csv_simd();

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_DECODERS_CSV_H_
