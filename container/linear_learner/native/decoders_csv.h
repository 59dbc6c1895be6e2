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
  int64_t allow_missing;  // 1: a missing feature is NaN; 0: it is a problem
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

// Decodes one line that starts at ``line``, of any form, and returns where the next one starts. A good row is written
// after the block's rows so far; a problem is added to its outcome; blank lines and headers are only counted.
const char* decode_csv_line(CsvBlock* block, const char* line);

inline bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// Decode all lines of a block. The second one is for machines on which ``has_csv_simd``.
void decode_csv_portable(CsvBlock* block);
void decode_csv_simd(CsvBlock* block);
bool has_csv_simd();

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_DECODERS_CSV_H_
