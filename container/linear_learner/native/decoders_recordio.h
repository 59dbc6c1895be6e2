// RecordIO framing, and dense and sparse rows out of its records.
//
// A record is the magic number 0xCED7230A and a length word, both little-endian uint32, the payload, and zeros up to a
// multiple of four. The length word's upper three bits mark a record that was written in parts (1 first, 2 middle,
// 3 last) because its payload holds the magic number; that number stands between the parts. Source: the SageMaker
// SDK's writer, and dmlc-core's recordio.h, by which MXNet writes.
#ifndef LINEAR_LEARNER_NATIVE_DECODERS_RECORDIO_H_
#define LINEAR_LEARNER_NATIVE_DECODERS_RECORDIO_H_

#include <cstdint>
#include <vector>

#include "decoders.h"
#include "decoders_record.h"

extern "C" {

// What ll_records_scan finds out about a block. decoders.py mirrors these structs.
struct ll_record_scan {
  int64_t records;   // whole records from the start of the block
  int64_t consumed;  // their bytes
  int64_t layout;    // of the first record: 0 it has no features, 1 dense, 2 sparse
  int64_t columns;   // of the first record; 0 if its width is not known
  int64_t values;    // of all records, if they are sparse and it is soon told; else -1
};

struct ll_record_layout {
  int64_t columns;        // features of a row
  int64_t label_size;     // 1: every record has one label; 0: labels are not looked at
  int64_t allow_missing;  // 1: features may be NaN
  int64_t wide_indices;   // sparse: 1 for int64 indices, 0 for int32
  int64_t portable;       // 1: use no instruction set beyond the baseline, to hold one decoder against the other
};
}

namespace linear_learner {

constexpr uint32_t kMagic = 0xCED7230A;
constexpr int64_t kHeaderSize = 8;
constexpr int64_t kLargestPart = 0x1FFFFFFF;
constexpr int64_t kUnknownLayout = 0, kDenseLayout = 1, kSparseLayout = 2;

inline uint32_t little_endian(const uint8_t* p) {
  return static_cast<uint32_t>(p[0]) | static_cast<uint32_t>(p[1]) << 8 | static_cast<uint32_t>(p[2]) << 16 |
         static_cast<uint32_t>(p[3]) << 24;
}

inline int64_t padded(int64_t size) { return (size + 3) / 4 * 4; }

// One record of a stream.
struct Frame {
  int64_t begin;
  int64_t end;  // with its padding
  const uint8_t* payload;
  int64_t size;

  // Whether the payload lies in the block that begins at ``data``: that of a record in parts was joined elsewhere.
  bool is_in(const uint8_t* data) const { return payload == data + begin + kHeaderSize; }
};

// Finds whole frames in a block.
class FrameReader {
 public:
  // ``is_final``: no bytes will follow those of the block, so that the last record may lack its padding.
  FrameReader(const uint8_t* data, int64_t size, bool is_final) : data_(data), end_(size), is_final_(is_final) {}

  // Reads the next frame. False at the end of the block, and where there is no whole frame.
  bool next(Frame* frame) { return next_whole(frame) || next_any(frame); }

  // Whether there was no next frame because the bytes are no frame's, whatever follows them.
  bool is_broken() const { return is_broken_; }

  int64_t at() const { return at_; }
  void skip(int64_t bytes) { at_ += bytes; }

 private:
  // What one header announces.
  struct Part {
    int64_t flag;
    int64_t payload;  // where it begins
    int64_t size;
    int64_t end;
  };
  // Reads a frame that is not in parts, of which all bytes are there.
  bool next_whole(Frame* frame) {
    if (end_ - at_ < kHeaderSize || little_endian(data_ + at_) != kMagic) return false;
    const int64_t size = little_endian(data_ + at_ + 4), end = at_ + kHeaderSize + padded(size);
    if (size > kLargestPart || end > end_) return false;
    *frame = {at_, end, data_ + at_ + kHeaderSize, size};
    at_ = end;
    return true;
  }
  bool next_any(Frame* frame);
  bool read_part(int64_t at, Part* part);
  bool join_parts(Part part, Frame* frame);

  // Both return false, for their callers to return.
  bool stop_broken();
  bool stop_short() { return is_final_ && stop_broken(); }

  const uint8_t* data_;
  int64_t at_ = 0;
  int64_t end_;
  bool is_final_;
  bool is_broken_ = false;
  std::vector<uint8_t> joined_;
};

// Whether the features of a record are dense or sparse. Unknown: it has none.
int64_t layout_of(const Tensor& features);

// The product of a tensor's dimensions, or -1 if it has none or no int64 holds it.
int64_t size_by_shape(const Tensor& tensor);

// The whole records of a block, and where their labels go.
struct WholeRecords {
  const uint8_t* data;
  int64_t size;
  const ll_record_layout& layout;
  float* labels;  // (records,), or null

  const uint8_t* end() const { return data + size; }

  // Where the label of a row goes, or null.
  float* label_of(int64_t row) const { return labels ? labels + row : nullptr; }
};

// Reads a record. False where its bytes are no Record.
bool read_record(const WholeRecords& records, const Frame& frame, Record* record);

// Writes the label of a row, if it is wanted. False if that is not one finite number.
bool write_label(const WholeRecords& records, const Record& record, int64_t row);

// Decode all records; kBadRows at the first bad one. Features (records, columns); row starts (records + 1,), indices,
// int32 or int64, and values (capacity,), where kBadRows may mean that they are more.
Status decode_dense(const WholeRecords& records, float* features);
Status decode_sparse(const WholeRecords& records, int64_t capacity, int64_t* row_starts, void* indices, float* values);

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_DECODERS_RECORDIO_H_
