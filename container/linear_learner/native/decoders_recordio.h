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

// Where a part of a block begins: a byte, and the number of records before it.
struct ll_cut {
  int64_t offset;
  int64_t record;
};

// What ll_records_scan finds out about a block. decoders.py mirrors these structs.
struct ll_record_scan {
  int64_t records;   // whole records from the start of the block
  int64_t consumed;  // their bytes
  int64_t needed;    // bytes that the record after them takes at least, if it may be whole with more bytes; else 0
  int64_t layout;    // of the first record that has features: 0 none has, 1 dense, 2 sparse
  int64_t columns;   // of the first record of this layout whose width is known; else 0
  int64_t parts;
  ll_cut cuts[linear_learner::kMaxThreads + 1];
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
  int64_t end;             // with its padding
  const uint8_t* payload;  // in the block, or in ``joined`` if the record was in parts
  int64_t size;
};

// Finds whole frames in a block.
class FrameReader {
 public:
  // ``is_final``: no bytes will follow those of the block, so that the last record may lack its padding.
  FrameReader(const uint8_t* data, int64_t begin, int64_t end, bool is_final)
      : data_(data), at_(begin), end_(end), is_final_(is_final) {}

  // Reads the next frame. False at the end of the block, and where there is no whole frame.
  bool next(Frame* frame) { return next_whole(frame) || next_any(frame); }

  // Why there was no next frame: either the bytes are no frame's, whatever follows them, or the frame takes ``needed``
  // bytes at least, of which some are not there; neither at the end of the block.
  int64_t needed() const { return needed_; }
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
  bool stop_short(int64_t needed);

  const uint8_t* data_;
  int64_t at_;
  int64_t end_;
  bool is_final_;
  bool is_broken_ = false;
  int64_t needed_ = 0;
  std::vector<uint8_t> joined_;
};

// Whether the features of a record are dense or sparse. Unknown: it has none.
int64_t layout_of(const Tensor& features);

// The product of a tensor's dimensions, or -1 if it has none or no int64 holds it.
int64_t size_by_shape(const Tensor& tensor);

// Some whole records of a block, and where their rows go.
struct RecordPart {
  const uint8_t* data;  // the block
  int64_t begin;
  int64_t end;
  int64_t data_end;  // of the block, or of what may be read of it
  const ll_record_layout* layout;
  float* labels;      // (rows,), or null
  float* features;    // dense: (rows, columns)
  int64_t* row_ends;  // sparse: (rows,), the non-zeros of the part up to and with each row
  void* indices;      // sparse: int32 or int64
  float* values;      // sparse
  Status status;
  ll_outcome outcome;
};

// Reads a record of a part. False where its bytes are no Record.
bool read_record(const RecordPart& part, const Frame& frame, Record* record);

// Writes the label, if there is one to write, after the part's rows. False if that is not one finite number.
bool write_label(const RecordPart& part, const Record& record);

// Decode all records of a part; kBadRows at the first bad one.
Status decode_dense_part(RecordPart* part);
Status decode_sparse_part(RecordPart* part);

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_DECODERS_RECORDIO_H_
