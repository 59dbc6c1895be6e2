// LIBSVM rows: a label, then index:value pairs. What they must look like is written down in formats/text_libsvm.py.
#ifndef LINEAR_LEARNER_NATIVE_DECODERS_LIBSVM_H_
#define LINEAR_LEARNER_NATIVE_DECODERS_LIBSVM_H_

#include <cstdint>

#include "decoders.h"

extern "C" {

// What the rows of a block look like. decoders.py mirrors this struct.
struct ll_libsvm_layout {
  int64_t feature_dim;    // columns from here on make a row bad; 0: there is no such limit
  int64_t index_base;     // the number of the first column: 0 or 1
  int64_t label_size;     // 1: every row begins with its label; 0: it may, and the label is skipped
  int64_t allow_missing;  // 1: a missing value is NaN; 0: it makes a row bad
};

// The rows and the index:value pairs to make room for before ll_libsvm_decode.
int64_t ll_libsvm_row_capacity(int64_t size);
int64_t ll_libsvm_capacity(int64_t size);

// Decodes a block of whole lines (the last one may lack its line break) into sparse rows: row i is line row_numbers[i]
// of the block, from 1, and has the columns and values from row_starts[i] to row_starts[i + 1], the columns ascending.
// ``row_starts`` has room for one more than there are rows; ``labels`` is null for label_size 0.
int32_t ll_libsvm_decode(const char* data, int64_t size, const ll_libsvm_layout* layout, int64_t* row_starts,
                         int64_t* row_numbers, int32_t* columns, float* values, float* labels, ll_outcome* outcome);
}

#endif  // LINEAR_LEARNER_NATIVE_DECODERS_LIBSVM_H_
