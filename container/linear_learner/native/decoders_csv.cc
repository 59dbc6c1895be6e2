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
  bool unterminated = false;
};

Cell trimmed(const char* begin, const char* end, const char* next) {
  begin = skip_blanks(begin, end);
  while (end > begin && is_blank(end[-1])) --end;
  return {begin, end, next};
}

// The closing quote of a cell whose text starts at ``p``, or the end of the line. Two quotes together stand for one.
const char* closing_quote(const char* p, const char* line_end) {
  for (;;) {
    p = find('"', p, line_end);
    if (line_end - p < 2 || p[1] != '"') return p;
    p += 2;
  }
}

Cell cell_at(const char* begin, const char* line_end) {
  const char* text = skip_blanks(begin, line_end);
  if (text < line_end && *text == '"') {
    const char* quote = closing_quote(text + 1, line_end);
    if (quote == line_end) return {text, line_end, line_end, true};
    const char* next = skip_blanks(quote + 1, line_end);
    if (next == line_end || *next == ',') return trimmed(text + 1, quote, next);
    // Text after the closing quote: no number, and it is reported with its quotes.
    const char* comma = find(',', next, line_end);
    return trimmed(text, comma, comma);
  }
  const char* comma = find(',', text, line_end);
  return trimmed(text, comma, comma);
}

struct CellCount {
  int64_t cells = 0;
  Cell unterminated{};  // if ``begin`` is not null, the last cell, whose quote is not closed
};

CellCount count_cells(const Line& line) {
  CellCount count;
  for (const char* p = line.begin;; ++p) {
    const Cell cell = cell_at(p, line.end);
    ++count.cells;
    if (cell.unterminated) count.unterminated = cell;
    p = cell.next;
    if (p == line.end) return count;
  }
}

bool is_skipped(const Line& line, const ll_csv_layout& layout) {
  const int64_t size = line.end - line.begin;
  if (layout.header && size == layout.header_size && !std::memcmp(line.begin, layout.header, static_cast<size_t>(size)))
    return true;
  return skip_blanks(line.begin, line.end) == line.end;
}

// The kind of problem a cell is, or 0 and its value.
int64_t cell_problem(const Cell& cell, bool may_be_missing, float* value) {
  switch (parse_number(cell.begin, cell.end, value)) {
    case NumberKind::kFinite: return 0;
    case NumberKind::kInfinite: return kInfinite;
    case NumberKind::kOutOfRange: return kOutOfRange;
    case NumberKind::kNotANumber: return kNotANumber;
    case NumberKind::kMissing: break;
  }
  *value = std::numeric_limits<float>::quiet_NaN();
  if (may_be_missing) return 0;
  return kMissing;
}

void add_line_problem(CsvBlock* block, int64_t kind, int64_t column, const char* begin, const char* end,
                      int64_t expected = 0, int64_t found = 0) {
  add_problem(&block->outcome,
              {kind, block->outcome.lines, column, begin - block->begin, end - begin, expected, found, 0});
}

// Writes the cells of a line of the right width after the block's rows. Returns whether all are good.
bool write_cells(CsvBlock* block, const Line& line) {
  const ll_csv_layout& layout = *block->layout;
  float* row = block->features + block->outcome.rows * (layout.columns - layout.label_size);
  const char* p = line.begin;
  for (int64_t column = 0; column < layout.columns; ++column) {
    const Cell cell = cell_at(p, line.end);
    const bool is_label = column < layout.label_size;
    float* slot = is_label ? block->labels + block->outcome.rows : row + column - layout.label_size;
    if (const int64_t kind = cell_problem(cell, layout.allow_missing && !is_label, slot)) {
      add_line_problem(block, kind, column + 1, cell.begin, cell.end);
      return false;
    }
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
  ll_outcome& outcome = block->outcome;
  ++outcome.lines;
  if (is_skipped(line, *block->layout)) return line.next;
  const CellCount count = count_cells(line);
  if (count.unterminated.begin) {
    add_line_problem(block, kUnterminatedQuote, count.cells, count.unterminated.begin, line.end);
  } else if (count.cells != block->layout->columns) {
    add_line_problem(block, kWrongWidth, 0, line.begin, line.end, block->layout->columns, count.cells);
  } else if (write_cells(block, line)) {
    ++outcome.rows;
  }
  return line.next;
}

void decode_csv_portable(CsvBlock* block) {
  for (const char* p = block->begin; p < block->end;) {
    if (const char* next = decode_plain_line(*block, p)) {
      ++block->outcome.lines;
      ++block->outcome.rows;
      p = next;
    } else {
      p = decode_csv_line(block, p);
    }
  }
}

}  // namespace linear_learner

using namespace linear_learner;

extern "C" {

// The number of cells of the first line that is neither blank nor a header; 0 if there is none.
int64_t ll_csv_columns(const char* data, int64_t size, const char* header, int64_t header_size) {
  const ll_csv_layout layout{0, 0, 0, 0, header, header_size};
  for (const char* p = data; p < data + size;) {
    const Line line = line_at(p, data + size);
    if (!is_skipped(line, layout)) return count_cells(line).cells;
    p = line.next;
  }
  return 0;
}

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
  if (!layout->portable && has_csv_simd())
    decode_csv_simd(&block);
  else
    decode_csv_portable(&block);
  *outcome = block.outcome;
  return kDone;
}
}
