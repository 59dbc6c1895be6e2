#include "decoders_csv.h"

#include <cstring>
#include <limits>

#include "decoders_number.h"

namespace linear_learner {
namespace {

const char* skip_blanks(const char* p, const char* end) {
  while (p < end && is_blank(*p)) ++p;
  return p;
}

const char* find(char wanted, const char* p, const char* end) {
  const void* found = p < end ? std::memchr(p, wanted, static_cast<size_t>(end - p)) : nullptr;
  return found ? static_cast<const char*>(found) : end;
}

// A line without its line break.
struct Line {
  const char* begin;
  const char* end;
  const char* next;  // where the next line begins
};

Line line_at(const char* begin, const char* block_end) {
  const char* line_break = find('\n', begin, block_end);
  const char* end = line_break > begin && line_break[-1] == '\r' ? line_break - 1 : line_break;
  return {begin, end, line_break == block_end ? block_end : line_break + 1};
}

// A cell without blanks and quotes around it.
struct Cell {
  const char* begin;
  const char* end;
  const char* next;  // the comma after it, or the end of the line
};

// The cell that starts at ``begin``. A comma in quotes ends it too: they hold no number either way.
Cell cell_at(const char* begin, const char* line_end) {
  const char* comma = find(',', begin, line_end);
  const char* end = comma;
  undress(&begin, &end);
  return {begin, end, comma};
}

bool is_skipped(const Line& line, const ll_csv_layout& layout) {
  const int64_t size = line.end - line.begin;
  if (layout.header && size == layout.header_size && !std::memcmp(line.begin, layout.header, static_cast<size_t>(size)))
    return true;
  return skip_blanks(line.begin, line.end) == line.end;
}

bool read_cell(const Cell& cell, bool may_be_missing, float* value) {
  const char* stop = read_decimal(cell.begin, cell.end, value);
  if (stop && stop == cell.end) return true;
  if (!may_be_missing || !is_missing(cell.begin, cell.end)) return false;
  *value = std::numeric_limits<float>::quiet_NaN();
  return true;
}

// Writes the cells of a line after the block's rows. Returns whether all are good, and as many as they should be.
bool write_cells(CsvBlock* block, const Line& line) {
  const ll_csv_layout& layout = *block->layout;
  float* row = block->features + block->outcome.rows * (layout.columns - layout.label_size);
  const char* p = line.begin;
  for (int64_t column = 0; column < layout.columns; ++column) {
    const Cell cell = cell_at(p, line.end);
    const bool is_label = column < layout.label_size, is_last = column == layout.columns - 1;
    float* slot = is_label ? block->labels + block->outcome.rows : row + column - layout.label_size;
    if (is_last != (cell.next == line.end) || !read_cell(cell, layout.allow_missing && !is_label, slot)) return false;
    p = cell.next + 1;
  }
  return true;
}

// The cell at p if it is a plain number, written to ``value``: where the separator after it is, or nullptr.
inline const char* plain_cell(const char* p, const char* end, float* value) {
  const char* stop = read_decimal(p, end, value);
  return stop && stop < end ? stop : nullptr;
}

// The line at p if it is nothing but plain numbers and as wide as it should be: its end, or nullptr.
const char* decode_plain_line(const CsvBlock& block, const char* p) {
  const ll_csv_layout& layout = *block.layout;
  const int64_t last = layout.columns - 1;
  float* row = block.features + block.outcome.rows * (layout.columns - layout.label_size);
  for (int64_t column = 0; column < last; ++column) {
    float* slot = column < layout.label_size ? block.labels + block.outcome.rows : row + column - layout.label_size;
    p = plain_cell(p, block.end, slot);
    if (!p || *p != ',') return nullptr;
    ++p;
  }
  float* slot = last < layout.label_size ? block.labels + block.outcome.rows : row + last - layout.label_size;
  p = plain_cell(p, block.end, slot);
  if (p && *p == '\r') p = p + 1 < block.end ? p + 1 : nullptr;
  return p && *p == '\n' ? p + 1 : nullptr;
}

// A good row takes at least this many bytes, its line break included: a block cannot hold more rows than it pays for.
int64_t least_row_size(const ll_csv_layout& layout) {
  return layout.allow_missing ? layout.columns : 2 * layout.columns;
}

}  // namespace

const char* decode_csv_line(CsvBlock* block, const char* begin) {
  const Line line = line_at(begin, block->end);
  ++block->outcome.lines;
  if (is_skipped(line, *block->layout)) return line.next;
  if (!write_cells(block, line)) return nullptr;
  ++block->outcome.rows;
  return line.next;
}

bool decode_csv_portable(CsvBlock* block) {
  for (const char* p = block->begin; p < block->end;) {
    if (const char* next = decode_plain_line(*block, p)) {
      ++block->outcome.lines;
      ++block->outcome.rows;
      p = next;
    } else if (!(p = decode_csv_line(block, p))) {
      return false;
    }
  }
  return true;
}

}  // namespace linear_learner

using namespace linear_learner;

extern "C" {

// The numbers, from 1, of the lines that are neither blank nor headers. Returns how many there are.
int64_t ll_csv_line_numbers(const char* data, int64_t size, const char* header, int64_t header_size, int64_t* numbers,
                            int64_t capacity) {
  const ll_csv_layout layout{0, 0, 0, 0, header, header_size};
  int64_t number = 0, count = 0;
  for (const char* p = data; p < data + size;) {
    const Line line = line_at(p, data + size);
    ++number;
    if (!is_skipped(line, layout) && count < capacity) numbers[count++] = number;
    p = line.next;
  }
  return count;
}

// The rows to make room for before ll_csv_decode: one more than ``size`` bytes can hold, since a bad line may fill some
// of its cells.
int64_t ll_csv_capacity(int64_t size, const ll_csv_layout* layout) {
  return layout->columns < 1 ? 0 : (size + 1) / least_row_size(*layout) + 1;
}

// Decodes a block of whole lines (the last one may lack its line break) into features (capacity, columns - label_size)
// and labels (capacity,).
int32_t ll_csv_decode(const char* data, int64_t size, const ll_csv_layout* layout, float* features, float* labels,
                      int64_t capacity, ll_outcome* outcome) {
  std::memset(outcome, 0, sizeof *outcome);
  if (size < 0 || layout->columns < 1 || layout->columns < layout->label_size ||
      capacity < ll_csv_capacity(size, layout))
    return kBadCall;
  CsvBlock block{data, data + size, layout, features, layout->label_size ? labels : nullptr, *outcome};
  const bool has_simd = !layout->portable && has_csv_simd();
  if (!(has_simd ? decode_csv_simd(&block) : decode_csv_portable(&block))) return kBadRows;
  *outcome = block.outcome;
  return kDone;
}
}
