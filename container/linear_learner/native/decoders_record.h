// The protobuf message aialgs.data.Record, read off the wire.
//
//   Record   1: features, map of string to Value   2: label, map of string to Value   (3, 4, 5: strings, not needed)
//   Value    one of 2: Float32Tensor   3: Float64Tensor   7: Int32Tensor   9: Bytes
//   Tensor   1: values   2: keys (uint64, the columns of a sparse row)   3: shape (uint64)
//
// Fields come in any order and may be repeated, numbers packed or not; unknown fields are skipped. Source: Amazon's
// record.proto (SageMaker Developer Guide, "Common Data Formats for Training") and the protobuf encoding guide.
#ifndef LINEAR_LEARNER_NATIVE_DECODERS_RECORD_H_
#define LINEAR_LEARNER_NATIVE_DECODERS_RECORD_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>

namespace linear_learner {

// Numbers whose memory is kept from record to record.
template <class T>
class Numbers {
 public:
  int64_t size() const { return size_; }
  const T* data() const { return data_.get(); }
  T operator[](int64_t i) const { return data_[i]; }
  void clear() { size_ = 0; }

  void cut(int64_t size) { size_ = size; }

  // Adds ``count`` numbers, for the caller to fill.
  T* add(int64_t count) {
    if (capacity_ - size_ < count) grow(size_ + count);
    T* added = data_.get() + size_;
    size_ += count;
    return added;
  }

 private:
  void grow(int64_t least) {
    capacity_ = std::max(least, 2 * capacity_);
    std::unique_ptr<T[]> larger(new T[static_cast<size_t>(capacity_)]);
    if (size_) std::memcpy(larger.get(), data_.get(), static_cast<size_t>(size_) * sizeof(T));
    data_ = std::move(larger);
  }

  std::unique_ptr<T[]> data_;
  int64_t size_ = 0;
  int64_t capacity_ = 0;
};

// The fields of a Value.
enum class TensorKind : uint32_t { kNone = 0, kFloat32 = 2, kFloat64 = 3, kInt32 = 7, kBytes = 9 };

// The tensor under the key "values" of one of a record's maps.
struct Tensor {
  TensorKind kind = TensorKind::kNone;
  Numbers<float> values;
  Numbers<uint64_t> keys;
  Numbers<uint64_t> shape;

  // Whether a value is not finite as float32; NaN counts if ``nan_is_odd``.
  bool has_odd = false;
  bool nan_is_odd = true;

  // Where the values lie: meaningful if they are one packed run, ``pieces`` being 1.
  const uint8_t* run = nullptr;
  int64_t run_size = 0;
  int64_t pieces = 0;

  void clear(TensorKind new_kind);
};

struct Record {
  Tensor features;
  Tensor label;
};

// Reads a record into ``record``, whose memory is used again. Returns false if the bytes are no such message.
bool parse_record(const uint8_t* data, int64_t size, Record* record);

// Packed numbers of a record.
struct Packed {
  TensorKind kind;
  const uint8_t* begin;
  int64_t size;  // in bytes
};

// How many numbers are packed together, if they are all whole and, those that are int32, of one byte each; else -1.
int64_t count_of(const Packed& numbers);

// The numbers of a sparse record in the layout that most writers give it.
struct PlainRecord {
  // So many bytes behind the keys may be read.
  static constexpr int64_t kReach = 40;

  Packed values;
  const uint8_t* keys;  // packed varints
  const uint8_t* keys_end;
  uint64_t columns;
  Packed label;  // of kind kNone if there is none
};

// Finds the numbers of a record whose fields are those of a sparse row, once each and in the order of their numbers,
// and of its label or none. False for any other record, for bytes that are no message, and for the last record before
// ``readable_end``.
bool find_plain_record(const uint8_t* data, int64_t size, const uint8_t* readable_end, PlainRecord* record);

// Reads ``count`` keys that take all bytes from p to end. Returns whether there are as many, each above the one before
// and below ``columns``, which int32 holds.
bool read_keys(const uint8_t* p, const uint8_t* end, int64_t count, int64_t columns, int32_t* keys);

// Copies ``count`` numbers as float32; returns whether all are finite as such.
bool copy_float32(const uint8_t* from, int64_t count, float* to);
bool copy_float64(const uint8_t* from, int64_t count, float* to);

// The same for int32 below 128, which take one byte each; returns whether all are.
bool copy_small_int32(const uint8_t* from, int64_t count, float* to);

// The same for numbers of a kind that take ``size`` bytes.
bool copy_numbers(TensorKind kind, const uint8_t* from, int64_t size, float* to);

}  // namespace linear_learner

#endif  // LINEAR_LEARNER_NATIVE_DECODERS_RECORD_H_
