// Dense rows out of records. Most writers give all rows of a matrix records of one layout, in which only the numbers
// differ: after one record was read field by field, those like it are compared with it and copied.
#include <cstring>
#include <utility>

#include "decoders_record_kernels.h"
#include "decoders_recordio.h"

namespace linear_learner {
namespace {

// Where in a frame the numbers of a tensor lie.
struct Run {
  TensorKind kind = TensorKind::kNone;
  int64_t begin = 0;
  int64_t end = 0;
};

// A frame in which only the numbers vary.
class Template {
 public:
  explicit Template(const RecordKernels& kernels) : kernels_(kernels) {}

  // Takes over the layout of a dense record, or that of no record if its numbers are not each in one fixed place.
  void learn(const uint8_t* data, const Frame& frame, const Record& record) {
    frame_ = nullptr;
    const uint8_t* begin = data + frame.begin;
    size_ = frame.end - frame.begin;
    if (frame.is_in(data) && record.label.values.size() <= 1 && find_run(begin, record.features, &features_) &&
        find_run(begin, record.label, &label_))
      frame_ = begin;
  }

  // Copies the features and the label of a frame if it has the layout and its numbers are plain.
  bool copy(const uint8_t* frame, int64_t available, float* features, float* label) const {
    if (!frame_ || available < size_ || !is_alike(frame) || !copy_run(frame, features_, features)) return false;
    if (label) return copy_run(frame, label_, label);
    float ignored;
    return label_.kind != TensorKind::kInt32 || copy_run(frame, label_, &ignored);
  }

  int64_t size() const { return size_; }

 private:
  // Copies the numbers of a run; returns whether all are finite and, if int32, of one byte each.
  bool copy_run(const uint8_t* frame, const Run& run, float* to) const {
    const int64_t size = run.end - run.begin;
    return run.kind == TensorKind::kFloat32 ? kernels_.copy_float32(frame + run.begin, size / 4, to)
                                            : copy_numbers(run.kind, frame + run.begin, size, to);
  }
  // A tensor without values is a run of none.
  static bool find_run(const uint8_t* frame, const Tensor& tensor, Run* run) {
    *run = {};
    if (!tensor.pieces) return true;
    if (tensor.pieces > 1 || (tensor.kind == TensorKind::kInt32 && tensor.run_size != tensor.values.size()))
      return false;
    *run = {tensor.kind, tensor.run - frame, tensor.run - frame + tensor.run_size};
    return true;
  }

  bool is_alike(const uint8_t* frame) const {
    Run first = features_, second = label_;
    if (second.begin < first.begin) std::swap(first, second);
    return is_alike(frame, 0, first.begin) && is_alike(frame, first.end, second.begin) &&
           is_alike(frame, second.end, size_);
  }
  // By words: the stretches are of some twenty bytes, for which a call of memcmp takes longer.
  bool is_alike(const uint8_t* frame, int64_t begin, int64_t end) const {
    uint64_t differences = 0;
    if (end - begin < 8) {
      for (int64_t i = begin; i < end; ++i) differences |= static_cast<uint64_t>(frame[i] ^ frame_[i]);
      return differences == 0;
    }
    for (int64_t i = begin; i + 8 < end; i += 8) differences |= word(frame + i) ^ word(frame_ + i);
    return (differences | (word(frame + end - 8) ^ word(frame_ + end - 8))) == 0;
  }
  static uint64_t word(const uint8_t* from) {
    uint64_t bytes;
    std::memcpy(&bytes, from, sizeof bytes);
    return bytes;
  }

  const RecordKernels kernels_;
  const uint8_t* frame_ = nullptr;
  int64_t size_ = 0;
  Run features_;
  Run label_;
};

bool are_row(const Tensor& features, int64_t columns) {
  const int64_t size = features.values.size();
  return layout_of(features) == kDenseLayout && size == columns && !features.has_odd &&
         (!features.shape.size() || size_by_shape(features) == size);
}

}  // namespace

Status decode_dense(const WholeRecords& records, float* features) {
  FrameReader frames(records.data, records.size, true);
  const int64_t columns = records.layout.columns;
  Template layout(record_kernels(records.layout.portable));
  Record record;
  Frame frame;
  for (int64_t row = 0; frames.at() < records.size; ++row, features += columns) {
    if (layout.copy(records.data + frames.at(), records.size - frames.at(), features, records.label_of(row))) {
      frames.skip(layout.size());
      continue;
    }
    frames.next(&frame);  // the scan has seen that it is whole
    if (!read_record(records, frame, &record) || !are_row(record.features, columns) ||
        !write_label(records, record, row))
      return kBadRows;
    std::memcpy(features, record.features.values.data(), static_cast<size_t>(columns) * sizeof(float));
    layout.learn(records.data, frame, record);
  }
  return kDone;
}

}  // namespace linear_learner
