#include "decoders_recordio.h"

#include <algorithm>
#include <new>

namespace linear_learner {
namespace {

constexpr uint8_t kMagicBytes[4] = {0x0A, 0x23, 0xD7, 0xCE};
enum PartFlag { kWhole = 0, kFirst = 1, kMiddle = 2, kLast = 3 };

}  // namespace

bool FrameReader::stop_broken() {
  is_broken_ = true;
  return false;
}

bool FrameReader::stop_short(int64_t needed) {
  if (is_final_) return stop_broken();
  needed_ = needed;
  return false;
}

bool FrameReader::read_part(int64_t at, Part* part) {
  const int64_t available = end_ - at;
  // A length that is known when this is compiled makes one comparison of it.
  if (available >= 4 ? std::memcmp(data_ + at, kMagicBytes, 4)
                     : std::memcmp(data_ + at, kMagicBytes, static_cast<size_t>(available)))
    return stop_broken();
  int64_t needed = kHeaderSize;
  if (available >= kHeaderSize) {
    const uint32_t word = little_endian(data_ + at + 4);
    const int64_t size = word & kLargestPart;
    needed += is_final_ ? size : padded(size);
    if (available >= needed) {
      *part = {word >> 29, at + kHeaderSize, size, std::min(end_, at + kHeaderSize + padded(size))};
      return true;
    }
  }
  // A record in parts needs what it has so far, and this.
  return stop_short(at + needed - at_);
}

bool FrameReader::join_parts(Part part, Frame* frame) {
  joined_.assign(data_ + part.payload, data_ + part.payload + part.size);
  while (part.flag != kLast) {
    const int64_t at = part.end;
    if (at == end_) return stop_short(at + kHeaderSize - at_);
    if (!read_part(at, &part)) return false;
    if (part.flag != kMiddle && part.flag != kLast) return stop_broken();
    joined_.insert(joined_.end(), kMagicBytes, kMagicBytes + sizeof kMagicBytes);
    joined_.insert(joined_.end(), data_ + part.payload, data_ + part.payload + part.size);
  }
  *frame = {at_, part.end, joined_.data(), static_cast<int64_t>(joined_.size())};
  return true;
}

bool FrameReader::next_any(Frame* frame) {
  Part part;
  if (at_ == end_ || !read_part(at_, &part)) return false;
  if (part.flag == kWhole) {
    *frame = {at_, part.end, data_ + part.payload, part.size};
  } else if (part.flag != kFirst) {
    return stop_broken();
  } else if (!join_parts(part, frame)) {
    return false;
  }
  at_ = frame->end;
  return true;
}

int64_t layout_of(const Tensor& features) {
  if (features.keys.size()) return kSparseLayout;
  if (features.values.size()) return kDenseLayout;
  return features.shape.size() ? kSparseLayout : kUnknownLayout;
}

int64_t size_by_shape(const Tensor& tensor) {
  if (!tensor.shape.size()) return -1;
  int64_t size = 1;
  for (int64_t i = 0; i < tensor.shape.size(); ++i) {
    const uint64_t dimension = tensor.shape[i];
    if (dimension > INT64_MAX || __builtin_mul_overflow(size, static_cast<int64_t>(dimension), &size)) return -1;
  }
  return size;
}

bool read_record(const RecordPart& part, const Frame& frame, Record* record) {
  record->features.nan_is_odd = !part.layout->allow_missing;
  return parse_record(frame.payload, frame.size, record);
}

bool write_label(const RecordPart& part, const Record& record) {
  if (!part.labels) return true;
  if (record.label.values.size() != 1 || record.label.has_odd) return false;
  part.labels[part.outcome.rows] = record.label.values[0];
  return true;
}

namespace {

// Whole records up to ``consumed``, cut into parts of about equal bytes.
class CutFinder {
 public:
  CutFinder(ll_record_scan* scan, int64_t size, int64_t threads)
      : scan_(scan), size_(size), threads_(std::min<int64_t>(threads, kMaxThreads)) {}

  void begins_at(int64_t offset, int64_t record) {
    if (scan_->parts < threads_ && offset >= size_ / threads_ * scan_->parts)
      scan_->cuts[scan_->parts++] = {offset, record};
  }

 private:
  ll_record_scan* scan_;
  int64_t size_;
  int64_t threads_;
};

// Takes layout and width from a record if they are still open.
void look_at(const Tensor& features, ll_record_scan* scan) {
  const int64_t layout = layout_of(features);
  if (scan->layout == kUnknownLayout) scan->layout = layout;
  if (layout != scan->layout || layout == kUnknownLayout) return;
  scan->columns = layout == kDenseLayout ? features.values.size() : size_by_shape(features);
}

Status scan_records(const uint8_t* data, int64_t size, bool is_final, int64_t threads, ll_record_scan* scan) {
  FrameReader frames(data, 0, size, is_final);
  CutFinder cuts(scan, size, threads);
  Record record;
  Frame frame;
  scan->columns = -1;
  while (frames.next(&frame)) {
    cuts.begins_at(frame.begin, scan->records);
    if (scan->columns < 0 && parse_record(frame.payload, frame.size, &record)) look_at(record.features, scan);
    ++scan->records;
    scan->consumed = frame.end;
  }
  scan->columns = std::max<int64_t>(scan->columns, 0);
  scan->cuts[scan->parts] = {scan->consumed, scan->records};
  scan->needed = frames.needed();
  return frames.is_broken() ? kBadRows : kDone;
}

void decode_part(RecordPart& part) {
  try {
    part.status = part.row_ends ? decode_sparse_part(&part) : decode_dense_part(&part);
  } catch (const std::bad_alloc&) {
    part.status = kOutOfMemory;
  }
}

// All whole records of a block as one part, which has no room for rows yet.
RecordPart whole_block(const uint8_t* data, const ll_record_scan& scan, const ll_record_layout* layout, float* labels) {
  RecordPart whole{};
  whole.data = data;
  whole.end = whole.data_end = scan.consumed;
  whole.layout = layout;
  whole.labels = layout->label_size ? labels : nullptr;
  return whole;
}

// Where each part of a block finds its records and puts its rows; no part can hold more than it has room for.
std::vector<RecordPart> cut_records(const RecordPart& whole, const ll_record_scan& scan) {
  std::vector<RecordPart> parts;
  const ll_record_layout& layout = *whole.layout;
  int64_t row = 0;
  for (int64_t i = 0; i < scan.parts; ++i) {
    const ll_cut& cut = scan.cuts[i];
    const ll_cut& next = scan.cuts[i + 1];
    RecordPart part = whole;
    part.begin = cut.offset;
    part.end = next.offset;
    if (part.row_ends) {
      // A non-zero takes a byte for its key and one for its value, or more.
      part.row_ends += cut.record;
      part.values += cut.offset / 2;
      part.indices = static_cast<char*>(part.indices) + cut.offset / 2 * (layout.wide_indices ? 8 : 4);
      row = next.record;
      if (part.labels) part.labels += cut.record;
    } else {
      part.features += row * layout.columns;
      if (part.labels) part.labels += row;
      row += std::min(next.record - cut.record, (part.end - part.begin) / std::max<int64_t>(1, layout.columns));
    }
    parts.push_back(part);
  }
  return parts;
}

// Moves the non-zeros of all parts together and lets the row ends count through.
void close_gaps(const std::vector<RecordPart>& parts, const RecordPart& whole) {
  const size_t index_size = whole.layout->wide_indices ? 8 : 4;
  int64_t values = 0;
  for (const RecordPart& part : parts) {
    const size_t count = static_cast<size_t>(part.outcome.values);
    if (count) {
      std::memmove(whole.values + values, part.values, count * sizeof(float));
      std::memmove(static_cast<char*>(whole.indices) + static_cast<size_t>(values) * index_size, part.indices,
                   count * index_size);
    }
    for (int64_t i = 0; i < part.outcome.rows; ++i) part.row_ends[i] += values;
    values += part.outcome.values;
  }
}

int32_t decode_records(const RecordPart& whole, const ll_record_scan& scan, ll_outcome* outcome) {
  try {
    std::vector<RecordPart> parts = cut_records(whole, scan);
    run_parts(parts, decode_part);
    for (const RecordPart& part : parts) {
      if (part.status) return part.status;
      outcome->rows += part.outcome.rows;
      outcome->values += part.outcome.values;
    }
    if (whole.row_ends) close_gaps(parts, whole);
  } catch (const std::bad_alloc&) {
    return kOutOfMemory;
  }
  return kDone;
}

}  // namespace
}  // namespace linear_learner

using namespace linear_learner;

extern "C" {

// Finds the whole records at the start of a block, and what the first of them looks like. kBadRows if what follows them
// is no frame, nor the beginning of one.
int32_t ll_records_scan(const uint8_t* data, int64_t size, int64_t is_final, int64_t threads, ll_record_scan* scan) {
  std::memset(scan, 0, sizeof *scan);
  if (size < 0 || threads < 1) return kBadCall;
  try {
    return scan_records(data, size, is_final, threads, scan);
  } catch (const std::bad_alloc&) {
    return kOutOfMemory;
  }
}

// The rows to make room for before ll_records_dense.
int64_t ll_records_dense_capacity(const ll_record_scan* scan, const ll_record_layout* layout) {
  // A feature takes a byte or more.
  return std::min(scan->records, scan->consumed / std::max<int64_t>(1, layout->columns));
}

// The non-zeros to make room for before ll_records_sparse.
int64_t ll_records_sparse_capacity(const ll_record_scan* scan) { return scan->consumed / 2; }

// Decodes the records that a scan found into features (capacity, columns) and labels (capacity,).
int32_t ll_records_dense(const uint8_t* data, const ll_record_scan* scan, const ll_record_layout* layout,
                         float* features, float* labels, ll_outcome* outcome) {
  std::memset(outcome, 0, sizeof *outcome);
  if (layout->columns < 0) return kBadCall;
  RecordPart whole = whole_block(data, *scan, layout, labels);
  whole.features = features;
  return decode_records(whole, *scan, outcome);
}

// Decodes the records that a scan found into row_starts (records + 1,), indices and values (capacity,) and labels
// (records,).
int32_t ll_records_sparse(const uint8_t* data, const ll_record_scan* scan, const ll_record_layout* layout,
                          int64_t* row_starts, void* indices, float* values, float* labels, ll_outcome* outcome) {
  std::memset(outcome, 0, sizeof *outcome);
  if (layout->columns < 0 || (!layout->wide_indices && layout->columns - 1 > INT32_MAX)) return kBadCall;
  RecordPart whole = whole_block(data, *scan, layout, labels);
  whole.row_ends = row_starts + 1;
  whole.indices = indices;
  whole.values = values;
  row_starts[0] = 0;
  return decode_records(whole, *scan, outcome);
}
}
