// Sparse rows (CSR) out of records.
#include <algorithm>
#include <cstring>
#include <utility>

#include "decoders_record_kernels.h"
#include "decoders_recordio.h"

namespace linear_learner {
namespace {

using Entry = std::pair<uint64_t, float>;

bool ascends(const Numbers<uint64_t>& keys) {
  for (int64_t i = 1; i < keys.size(); ++i) {
    if (keys[i - 1] >= keys[i]) return false;
  }
  return true;
}

// The entries of a tensor by ascending key.
void sort_entries(const Tensor& features, std::vector<Entry>* entries) {
  entries->clear();
  for (int64_t i = 0; i < features.keys.size(); ++i) entries->push_back({features.keys[i], features.values[i]});
  std::sort(entries->begin(), entries->end(), [](const Entry& a, const Entry& b) { return a.first < b.first; });
}

template <class Index>
void write_entries(const Tensor& features, const std::vector<Entry>& sorted, Index* indices, float* values) {
  if (!sorted.empty()) {
    for (const Entry& entry : sorted) {
      *indices++ = static_cast<Index>(entry.first);
      *values++ = entry.second;
    }
    return;
  }
  const int64_t count = features.keys.size();
  for (int64_t i = 0; i < count; ++i) indices[i] = static_cast<Index>(features.keys[i]);
  if (count) std::memcpy(values, features.values.data(), static_cast<size_t>(count) * sizeof(float));
}

// Whether the features of a record make a row. ``sorted`` is left empty where nothing is to sort.
bool are_row(const Tensor& features, int64_t columns, std::vector<Entry>* sorted) {
  sorted->clear();
  const int64_t count = features.keys.size();
  if (layout_of(features) != kSparseLayout || size_by_shape(features) != columns || features.values.size() != count ||
      features.has_odd)
    return false;
  for (int64_t i = 0; i < count; ++i) {
    if (features.keys[i] >= static_cast<uint64_t>(columns)) return false;
  }
  if (ascends(features.keys)) return true;
  sort_entries(features, sorted);
  const auto is_same_key = [](const Entry& a, const Entry& b) { return a.first == b.first; };
  return std::adjacent_find(sorted->begin(), sorted->end(), is_same_key) == sorted->end();
}

// Writes a row of a plain record with which nothing is wrong, and how many non-zeros it has, into ``room`` for so many.
// False for any other record, and where there is no room for it.
bool copy_plain_row(const WholeRecords& records, const Frame& frame, const RecordKernels& kernels, int64_t room,
                    int32_t* indices, float* values, float* label, int64_t* count) {
  PlainRecord record;
  if (!find_plain_record(frame.payload, frame.size, records.end(), &record) ||
      record.columns != static_cast<uint64_t>(records.layout.columns))
    return false;
  const bool is_float32 = record.values.kind == TensorKind::kFloat32;
  *count = count_of(record.values);
  if (*count < 0 || *count > room) return false;
  const auto read = room - *count < RecordKernels::kOverrun ? linear_learner::read_keys : kernels.read_keys;
  if (!read(record.keys, record.keys_end, *count, records.layout.columns, indices) ||
      !(is_float32 ? kernels.copy_float32(record.values.begin, *count, values)
                   : copy_numbers(record.values.kind, record.values.begin, record.values.size, values)))
    return false;
  if (record.label.kind == TensorKind::kNone) return !label;
  float ignored;
  return count_of(record.label) == 1 &&
         copy_numbers(record.label.kind, record.label.begin, record.label.size, label ? label : &ignored);
}

template <class Index>
Status decode_entries(const WholeRecords& records, int64_t capacity, int64_t* row_starts, Index* indices,
                      float* values) {
  constexpr bool is_wide = sizeof(Index) > 4;
  FrameReader frames(records.data, records.size, true);
  const RecordKernels kernels = record_kernels(records.layout.portable);
  std::vector<Entry> sorted;
  Record record;
  Frame frame;
  row_starts[0] = 0;
  for (int64_t row = 0, count; frames.at() < records.size; ++row, indices += count, values += count) {
    frames.next(&frame);  // the scan has seen that it is whole
    bool is_done = false;
    if constexpr (!is_wide)
      is_done = frame.is_in(records.data) && copy_plain_row(records, frame, kernels, capacity - row_starts[row],
                                                            indices, values, records.label_of(row), &count);
    if (!is_done) {
      if (!read_record(records, frame, &record) || !are_row(record.features, records.layout.columns, &sorted) ||
          !write_label(records, record, row))
        return kBadRows;
      count = record.features.keys.size();
      if (count > capacity - row_starts[row]) return kBadRows;
      write_entries(record.features, sorted, indices, values);
    }
    row_starts[row + 1] = row_starts[row] + count;
  }
  return kDone;
}

}  // namespace

Status decode_sparse(const WholeRecords& records, int64_t capacity, int64_t* row_starts, void* indices, float* values) {
  if (records.layout.wide_indices)
    return decode_entries(records, capacity, row_starts, static_cast<int64_t*>(indices), values);
  return decode_entries(records, capacity, row_starts, static_cast<int32_t*>(indices), values);
}

}  // namespace linear_learner
