#include "decoders_record.h"

namespace linear_learner {
namespace {

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLength = 2, kGroup = 3, kEndGroup = 4, kFixed32 = 5 };

constexpr int kDeepestGroup = 100;

// Bytes not yet read. A reader of them returns false, and they are of no more use, where they are malformed.
struct Bytes {
  const uint8_t* p;
  const uint8_t* end;

  int64_t size() const { return end - p; }
};

// Of a tenth byte, only the lowest bit has a place in the number; the library of Google ignores the others.
bool read_long_varint(Bytes* bytes, uint64_t* number) {
  uint64_t result = 0;
  for (int shift = 0; shift < 70 && bytes->p < bytes->end; shift += 7) {
    const uint64_t byte = *bytes->p++;
    result |= (byte & 0x7F) << shift;
    if (byte < 0x80) {
      *number = result;
      return true;
    }
  }
  return false;
}

inline bool read_varint(Bytes* bytes, uint64_t* number) {
  if (bytes->p < bytes->end && *bytes->p < 0x80) {
    *number = *bytes->p++;
    return true;
  }
  return read_long_varint(bytes, number);
}

struct Field {
  uint32_t number;
  uint32_t wire_type;

  bool is(uint32_t wanted_number, uint32_t wanted_type) const {
    return number == wanted_number && wire_type == wanted_type;
  }
};

inline bool read_field(Bytes* bytes, Field* field) {
  uint64_t tag;
  const uint8_t* begin = bytes->p;
  if (!read_varint(bytes, &tag) || bytes->p - begin > 5 || tag >> 32 || tag < 8) return false;
  *field = {static_cast<uint32_t>(tag) >> 3, static_cast<uint32_t>(tag) & 7};
  return true;
}

inline bool read_content(Bytes* bytes, Bytes* content) {
  uint64_t length;
  if (!read_varint(bytes, &length) || length > static_cast<uint64_t>(bytes->size())) return false;
  *content = {bytes->p, bytes->p + length};
  bytes->p += length;
  return true;
}

bool skip_bytes(Bytes* bytes, int64_t count) {
  if (bytes->size() < count) return false;
  bytes->p += count;
  return true;
}

// Skips a field that is no group.
bool skip_plain(Bytes* bytes, uint32_t wire_type) {
  uint64_t number;
  Bytes content;
  switch (wire_type) {
    case kVarint: return read_varint(bytes, &number);
    case kFixed64: return skip_bytes(bytes, 8);
    case kLength: return read_content(bytes, &content);
    case kFixed32: return skip_bytes(bytes, 4);
    default: return false;
  }
}

// Skips the rest of an unknown field, groups within groups too.
bool skip_field(Bytes* bytes, Field field) {
  if (field.wire_type != kGroup) return skip_plain(bytes, field.wire_type);
  uint32_t open[kDeepestGroup];
  int depth = 0;
  open[depth++] = field.number;
  while (depth) {
    if (!read_field(bytes, &field)) return false;
    if (field.wire_type == kGroup) {
      if (depth == kDeepestGroup) return false;
      open[depth++] = field.number;
    } else if (field.wire_type == kEndGroup) {
      if (field.number != open[--depth]) return false;
    } else if (!skip_plain(bytes, field.wire_type)) {
      return false;
    }
  }
  return true;
}

// Whether a value from ``first`` on is infinite, or NaN where that counts.
bool has_odd_value(const Tensor& tensor, int64_t first) {
  for (int64_t i = first; i < tensor.values.size(); ++i) {
    uint32_t bits;
    std::memcpy(&bits, tensor.values.data() + i, sizeof bits);
    bits &= 0x7FFFFFFFu;
    if (bits == 0x7F800000u || (bits > 0x7F800000u && tensor.nan_is_odd)) return true;
  }
  return false;
}

bool add_packed_values(Tensor* tensor, Bytes content) {
  const int64_t first = tensor->values.size();
  tensor->run = content.p;
  tensor->run_size = content.size();
  ++tensor->pieces;
  if (tensor->kind == TensorKind::kFloat32) {
    if (content.size() % 4) return false;
    const int64_t count = content.size() / 4;
    if (!copy_float32(content.p, count, tensor->values.add(count))) tensor->has_odd |= has_odd_value(*tensor, first);
  } else if (tensor->kind == TensorKind::kFloat64) {
    if (content.size() % 8) return false;
    const int64_t count = content.size() / 8;
    if (!copy_float64(content.p, count, tensor->values.add(count))) tensor->has_odd |= has_odd_value(*tensor, first);
  } else {
    float* value = tensor->values.add(content.size());  // at most one in each byte
    for (uint64_t number; content.p < content.end; ++value) {
      if (!read_varint(&content, &number)) return false;
      // A negative int32 is written as a 64-bit number; the lower half is what it was.
      *value = static_cast<float>(static_cast<int32_t>(static_cast<uint32_t>(number)));
    }
    tensor->values.cut(value - tensor->values.data());
  }
  return true;
}

// A single value is as good as a packed run of one.
bool add_single_value(Tensor* tensor, Bytes* bytes, uint32_t wire_type) {
  Bytes content{bytes->p, bytes->p};
  if (!skip_plain(bytes, wire_type)) return false;
  content.end = bytes->p;
  return add_packed_values(tensor, content);
}

bool add_integers(Numbers<uint64_t>* numbers, Bytes content) {
  uint64_t* number = numbers->add(content.size());  // at most one in each byte
  for (; content.p < content.end; ++number) {
    if (!read_varint(&content, number)) return false;
  }
  numbers->cut(number - numbers->data());
  return true;
}

uint32_t single_wire_type(TensorKind kind) {
  return kind == TensorKind::kFloat32 ? kFixed32 : kind == TensorKind::kFloat64 ? kFixed64 : kVarint;
}

bool parse_tensor(Bytes bytes, Tensor* tensor) {
  const uint32_t single = single_wire_type(tensor->kind);
  Field field;
  Bytes content;
  while (bytes.p < bytes.end) {
    if (!read_field(&bytes, &field)) return false;
    Numbers<uint64_t>* integers = field.number == 2 ? &tensor->keys : field.number == 3 ? &tensor->shape : nullptr;
    if (field.is(1, kLength)) {
      if (!read_content(&bytes, &content) || !add_packed_values(tensor, content)) return false;
    } else if (field.is(1, single)) {
      if (!add_single_value(tensor, &bytes, single)) return false;
    } else if (integers && field.wire_type == kLength) {
      if (!read_content(&bytes, &content) || !add_integers(integers, content)) return false;
    } else if (integers && field.wire_type == kVarint) {
      if (!read_varint(&bytes, integers->add(1))) return false;
    } else if (!skip_field(&bytes, field)) {
      return false;
    }
  }
  return true;
}

// The message Bytes holds nothing that is needed, but must be one.
bool check_bytes_message(Bytes bytes) {
  Field field;
  while (bytes.p < bytes.end) {
    if (!read_field(&bytes, &field) || !skip_field(&bytes, field)) return false;
  }
  return true;
}

// The tensor that is set last counts; what is set again while it is the chosen one is added to it.
bool parse_value(Bytes bytes, Tensor* tensor) {
  Field field;
  Bytes content;
  while (bytes.p < bytes.end) {
    if (!read_field(&bytes, &field)) return false;
    const TensorKind kind = static_cast<TensorKind>(field.number);
    const bool is_tensor = kind == TensorKind::kFloat32 || kind == TensorKind::kFloat64 || kind == TensorKind::kInt32;
    if (field.wire_type != kLength || !(is_tensor || kind == TensorKind::kBytes)) {
      if (!skip_field(&bytes, field)) return false;
      continue;
    }
    if (kind != tensor->kind) tensor->clear(kind);
    if (!read_content(&bytes, &content)) return false;
    if (!(is_tensor ? parse_tensor(content, tensor) : check_bytes_message(content))) return false;
  }
  return true;
}

bool entry_is_values(Bytes bytes, bool* is_values) {
  Field field;
  Bytes content;
  *is_values = false;
  while (bytes.p < bytes.end) {
    if (!read_field(&bytes, &field)) return false;
    if (field.is(1, kLength)) {
      if (!read_content(&bytes, &content)) return false;
      *is_values = content.size() == 6 && !std::memcmp(content.p, "values", 6);
    } else if (!skip_field(&bytes, field)) {
      return false;
    }
  }
  return true;
}

// An entry of a map: 1 is the key, 2 the value, in any order. Later entries of one key replace earlier ones.
bool parse_entry(Bytes bytes, Tensor* tensor, Tensor* other) {
  bool is_values;
  if (!entry_is_values(bytes, &is_values)) return false;
  Tensor* target = is_values ? tensor : other;
  target->clear(TensorKind::kNone);
  Field field;
  Bytes content;
  while (bytes.p < bytes.end) {
    if (!read_field(&bytes, &field)) return false;
    if (field.is(2, kLength)) {
      if (!read_content(&bytes, &content) || !parse_value(content, target)) return false;
    } else if (!skip_field(&bytes, field)) {
      return false;
    }
  }
  return true;
}

}  // namespace

void Tensor::clear(TensorKind new_kind) {
  kind = new_kind;
  values.clear();
  keys.clear();
  shape.clear();
  has_odd = false;
  run = nullptr;
  run_size = pieces = 0;
}

bool parse_record(const uint8_t* data, int64_t size, Record* record) {
  record->features.clear(TensorKind::kNone);
  record->label.clear(TensorKind::kNone);
  Tensor other;  // for entries of other keys, which are read only to see that they are well-formed
  Bytes bytes{data, data + size};
  Field field;
  Bytes content;
  while (bytes.p < bytes.end) {
    if (!read_field(&bytes, &field)) return false;
    if (field.wire_type == kLength && (field.number == 1 || field.number == 2)) {
      Tensor* tensor = field.number == 1 ? &record->features : &record->label;
      if (!read_content(&bytes, &content) || !parse_entry(content, tensor, &other)) return false;
    } else if (!skip_field(&bytes, field)) {
      return false;
    }
  }
  return true;
}

namespace {

constexpr uint8_t tag_of(uint32_t number) { return static_cast<uint8_t>(number << 3 | kLength); }

// Reads a length of up to three bytes, which are there. A longer one is more than any record has.
inline int64_t read_length(const uint8_t** p) {
  const uint8_t* byte = *p;
  int64_t length = *byte++;
  if (length >= 0x80) {
    length += (static_cast<int64_t>(*byte) - 1) * 0x80;
    if (*byte++ >= 0x80) {
      length += (static_cast<int64_t>(*byte) - 1) * 0x4000;
      if (*byte++ >= 0x80) return int64_t{1} << 40;
    }
  }
  *p = byte;
  return length;
}

// Reads a tag and a length, which ends where the bytes do.
inline bool enter_last(const uint8_t** p, const uint8_t* end, uint8_t tag) {
  if (*(*p)++ != tag) return false;
  const int64_t size = read_length(p);
  return size == end - *p;
}

// Walks into the entry of a map whose key is "values" and whose value is nothing but a tensor, up to the values in it.
// It looks at kEntryReach bytes at most.
constexpr int64_t kEntryReach = 24;

inline bool enter_tensor(const uint8_t** at, const uint8_t* end, uint32_t number, const uint8_t** entry_end,
                         Packed* values) {
  constexpr uint8_t kKey[] = {tag_of(1), 6, 'v', 'a', 'l', 'u', 'e', 's'};
  const uint8_t* p = *at;
  if (*p++ != tag_of(number)) return false;
  const int64_t size = read_length(&p);
  if (size > end - p || std::memcmp(p, kKey, sizeof kKey)) return false;
  *entry_end = p + size;
  p += sizeof kKey;
  if (!enter_last(&p, *entry_end, tag_of(2))) return false;
  const uint8_t tag = *p;
  values->kind = static_cast<TensorKind>(tag >> 3);
  if (tag != tag_of(2) && tag != tag_of(3) && tag != tag_of(7)) return false;
  if (!enter_last(&p, *entry_end, tag) || *p++ != tag_of(1)) return false;
  values->size = read_length(&p);
  values->begin = *at = p;
  return true;
}

}  // namespace

int64_t count_of(const Packed& numbers) {
  const int bits = numbers.kind == TensorKind::kFloat32 ? 2 : numbers.kind == TensorKind::kFloat64 ? 3 : 0;
  return numbers.size & ((1 << bits) - 1) ? -1 : numbers.size >> bits;
}

bool find_plain_record(const uint8_t* data, int64_t size, const uint8_t* readable_end, PlainRecord* record) {
  const uint8_t* p = data;
  const uint8_t* const end = data + size;
  const uint8_t* entry_end;
  // Behind the values come five bytes or more: of keys and shape a tag and a length each, and the shape's one number.
  if (size < kEntryReach || !enter_tensor(&p, end, 1, &entry_end, &record->values) ||
      record->values.size + 5 > entry_end - p)
    return false;
  p += record->values.size;
  if (*p++ != tag_of(2)) return false;
  const int64_t keys_size = read_length(&p);
  if (keys_size + 3 > entry_end - p) return false;
  record->keys = p;
  record->keys_end = p += keys_size;
  if (readable_end - p < PlainRecord::kReach) return false;
  Bytes shape{p + 2, entry_end};
  if (p[0] != tag_of(3) || p[1] != shape.size() || !read_varint(&shape, &record->columns) || shape.size()) return false;
  record->label.kind = TensorKind::kNone;
  if (entry_end == end) return true;
  p = entry_end;
  return enter_tensor(&p, end, 2, &entry_end, &record->label) && entry_end == end && record->label.size == end - p;
}

bool read_keys(const uint8_t* p, const uint8_t* end, int64_t count, int64_t columns, int32_t* keys) {
  int64_t previous = -1;
  for (int64_t i = 0; i < count; ++i) {
    int64_t key = 0;
    for (int shift = 0;; shift += 7) {
      if (p == end || shift > 28) return false;
      key |= static_cast<int64_t>(*p & 0x7F) << shift;
      if (*p++ < 0x80) break;
    }
    if (key <= previous || key >= columns) return false;
    keys[i] = static_cast<int32_t>(key);
    previous = key;
  }
  return p == end;
}

bool copy_float32(const uint8_t* __restrict from, int64_t count, float* __restrict to) {
  uint32_t odd = 0;  // tests of bits, without a branch, become vector code
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, from + 4 * i, sizeof bits);
    std::memcpy(to + i, &bits, sizeof bits);
    odd |= static_cast<uint32_t>((bits & 0x7FFFFFFFu) > 0x7F7FFFFFu);
  }
  return !odd;
}

bool copy_float64(const uint8_t* from, int64_t count, float* to) {
  uint32_t odd = 0;
  for (int64_t i = 0; i < count; ++i) {
    double number;
    std::memcpy(&number, from + i * 8, sizeof number);
    to[i] = static_cast<float>(number);
    uint32_t bits;
    std::memcpy(&bits, to + i, sizeof bits);
    odd |= static_cast<uint32_t>((bits & 0x7FFFFFFFu) > 0x7F7FFFFFu);
  }
  return !odd;
}

bool copy_small_int32(const uint8_t* from, int64_t count, float* to) {
  uint8_t all_bits = 0;
  for (int64_t i = 0; i < count; ++i) {
    all_bits = static_cast<uint8_t>(all_bits | from[i]);
    to[i] = static_cast<float>(from[i]);
  }
  return all_bits < 0x80;
}

bool copy_numbers(TensorKind kind, const uint8_t* from, int64_t size, float* to) {
  switch (kind) {
    case TensorKind::kFloat32: return copy_float32(from, size / 4, to);
    case TensorKind::kFloat64: return copy_float64(from, size / 8, to);
    default: return copy_small_int32(from, size, to);
  }
}

}  // namespace linear_learner
