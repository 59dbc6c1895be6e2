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

bool FrameReader::read_part(int64_t at, Part* part) {
  const int64_t available = end_ - at;
  // A length that is known when this is compiled makes one comparison of it.
  if (available >= 4 ? std::memcmp(data_ + at, kMagicBytes, 4)
                     : std::memcmp(data_ + at, kMagicBytes, static_cast<size_t>(available)))
    return stop_broken();
  if (available < kHeaderSize) return stop_short();
  const uint32_t word = little_endian(data_ + at + 4);
  const int64_t size = word & kLargestPart;
  if (available < kHeaderSize + (is_final_ ? size : padded(size))) return stop_short();
  *part = {word >> 29, at + kHeaderSize, size, std::min(end_, at + kHeaderSize + padded(size))};
  return true;
}

bool FrameReader::join_parts(Part part, Frame* frame) {
  joined_.assign(data_ + part.payload, data_ + part.payload + part.size);
  while (part.flag != kLast) {
    const int64_t at = part.end;
    if (at == end_) return stop_short();
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

bool read_record(const WholeRecords& records, const Frame& frame, Record* record) {
  record->features.nan_is_odd = !records.layout.allow_missing;
  return parse_record(frame.payload, frame.size, record);
}

bool write_label(const WholeRecords& records, const Record& record, int64_t row) {
  if (!records.labels) return true;
  if (record.label.values.size() != 1 || record.label.has_odd) return false;
  records.labels[row] = record.label.values[0];
  return true;
}

namespace {

void look_at(const Tensor& features, ll_record_scan* scan) {
  scan->layout = layout_of(features);
  scan->columns = scan->layout == kDenseLayout ? features.values.size() : std::max<int64_t>(size_by_shape(features), 0);
}

// Counts the values of sparse records, as long as that takes much less time than to decode them.
class ValueCounter {
 public:
  ValueCounter(const uint8_t* data, int64_t size) : data_(data), end_(data + size) {}

  void add(const Frame& frame) {
    if (values_ < 0) return;
    const int64_t count = count_of(frame);
    values_ = count < 0 ? -1 : values_ + count;
  }

  // -1 if it gave up.
  int64_t values() const { return values_; }

 private:
  // So many records, and one of so many, are read field by field, such as rows that hold nothing.
  static constexpr int64_t kFewOthers = 64, kOneOf = 16;

  int64_t count_of(const Frame& frame) {
    ++records_;
    PlainRecord plain;
    if (frame.is_in(data_) && find_plain_record(frame.payload, frame.size, end_, &plain))
      return plain.values.kind == TensorKind::kInt32 ? -1 : linear_learner::count_of(plain.values);
    if (++others_ > kFewOthers + records_ / kOneOf || !parse_record(frame.payload, frame.size, &record_)) return -1;
    return layout_of(record_.features) == kSparseLayout ? record_.features.keys.size() : -1;
  }

  const uint8_t* data_;
  const uint8_t* end_;
  int64_t values_ = 0, records_ = 0, others_ = 0;
  Record record_;
};

Status scan_records(const uint8_t* data, int64_t size, bool is_final, ll_record_scan* scan) {
  FrameReader frames(data, size, is_final);
  Record record;
  ValueCounter counter(data, size);
  Frame frame;
  while (frames.next(&frame)) {
    if (!scan->records && parse_record(frame.payload, frame.size, &record)) look_at(record.features, scan);
    if (scan->layout == kSparseLayout) counter.add(frame);
    ++scan->records;
    scan->consumed = frame.end;
  }
  scan->values = scan->layout == kSparseLayout ? counter.values() : -1;
  return frames.is_broken() ? kBadRows : kDone;
}

template <class Work>
int32_t unless_out_of_memory(const Work& work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return kOutOfMemory;
  }
}

}  // namespace
}  // namespace linear_learner

using namespace linear_learner;

extern "C" {

// Finds the whole records at the start of a block, and what the first of them looks like. kBadRows if what follows them
// is no frame, nor the beginning of one.
int32_t ll_records_scan(const uint8_t* data, int64_t size, int64_t is_final, ll_record_scan* scan) {
  std::memset(scan, 0, sizeof *scan);
  return size < 0 ? kBadCall : unless_out_of_memory([&] { return scan_records(data, size, is_final, scan); });
}

// The non-zeros to make room for before ll_records_sparse: one takes a byte for its key and one for its value, or more.
int64_t ll_records_sparse_capacity(const ll_record_scan* scan) { return scan->consumed / 2; }

// Decodes the records that a scan found into features (records, columns) and labels (records,).
int32_t ll_records_dense(const uint8_t* data, const ll_record_scan* scan, const ll_record_layout* layout,
                         float* features, float* labels) {
  if (layout->columns < 0) return kBadCall;
  const WholeRecords records{data, scan->consumed, *layout, layout->label_size ? labels : nullptr};
  return unless_out_of_memory([&] { return decode_dense(records, features); });
}

// Decodes the records that a scan found into row_starts (records + 1,), indices and values (capacity,) and labels
// (records,). kBadRows, too, if there is no room for all.
int32_t ll_records_sparse(const uint8_t* data, const ll_record_scan* scan, const ll_record_layout* layout,
                          int64_t capacity, int64_t* row_starts, void* indices, float* values, float* labels) {
  if (layout->columns < 0 || (!layout->wide_indices && layout->columns - 1 > INT32_MAX)) return kBadCall;
  const WholeRecords records{data, scan->consumed, *layout, layout->label_size ? labels : nullptr};
  return unless_out_of_memory([&] { return decode_sparse(records, capacity, row_starts, indices, values); });
}
}
