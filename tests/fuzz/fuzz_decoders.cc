// Damages example blocks at random and decodes them in every way there is: with sanitizers compiled in, no read or
// write goes astray unseen, and all ways must agree. Usage: fuzz_decoders SECONDS SEED FILE...
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "decoders_csv.h"
#include "decoders_libsvm.h"
#include "decoders_recordio.h"

extern "C" {
int64_t ll_csv_line_numbers(const char*, int64_t, const char*, int64_t, int64_t*, int64_t);
int64_t ll_csv_capacity(int64_t, const ll_csv_layout*);
int32_t ll_csv_decode(const char*, int64_t, const ll_csv_layout*, float*, float*, int64_t, ll_outcome*);
int32_t ll_records_scan(const uint8_t*, int64_t, int64_t, ll_record_scan*);
int64_t ll_records_sparse_capacity(const ll_record_scan*);
int32_t ll_records_dense(const uint8_t*, const ll_record_scan*, const ll_record_layout*, float*, float*);
int32_t ll_records_sparse(const uint8_t*, const ll_record_scan*, const ll_record_layout*, int64_t, int64_t*, void*,
                          float*, float*);
}

namespace {

using linear_learner::kBadRows;
using linear_learner::kDone;
using linear_learner::kSparseLayout;

constexpr int64_t kMostFloats = 1 << 26;

std::mt19937_64 generator;

uint64_t below(uint64_t limit) { return generator() % limit; }

// An array of just the size it should have, so that a step beyond it is seen.
template <class T>
std::unique_ptr<T[]> exactly(int64_t count) {
  return std::unique_ptr<T[]>(new T[static_cast<size_t>(count)]);
}

// What a decoding came to, to be compared.
std::string result;

template <class T>
void note(const T* values, int64_t count) {
  if (count) result.append(reinterpret_cast<const char*>(values), static_cast<size_t>(count) * sizeof(T));
}

void fail(const char* what, const std::string& block) {
  std::ofstream("fuzz_decoders.failed", std::ios::binary) << block;
  std::fprintf(stderr, "%s; the block is in fuzz_decoders.failed\n", what);
  std::abort();
}

// Whether a decoder took a block. It may refuse one for its rows, and for nothing else.
bool is_done(int32_t status, const char* decoder, const std::string& block) {
  if (status != kDone && status != kBadRows) fail(decoder, block);
  note(&status, 1);
  return status == kDone;
}

void decode_csv(const char* data, int64_t size, ll_csv_layout layout, const std::string& block) {
  result.clear();
  const int64_t capacity = ll_csv_capacity(size, &layout), width = layout.columns - layout.label_size;
  if (capacity * width > kMostFloats) return;
  auto features = exactly<float>(capacity * width), labels = exactly<float>(layout.label_size ? capacity : 0);
  ll_outcome outcome;
  if (!is_done(ll_csv_decode(data, size, &layout, features.get(), labels.get(), capacity, &outcome), "ll_csv_decode",
               block))
    return;
  note(&outcome, 1);
  note(features.get(), outcome.rows * width);
  if (layout.label_size) note(labels.get(), outcome.rows);
  auto numbers = exactly<int64_t>(outcome.rows);
  if (ll_csv_line_numbers(data, size, layout.header, layout.header_size, numbers.get(), outcome.rows) != outcome.rows)
    fail("the numbered lines are not the decoded ones", block);
}

void try_csv(const std::string& block) {
  const int64_t size = static_cast<int64_t>(block.size());
  auto data = exactly<char>(size);
  std::memcpy(data.get(), block.data(), block.size());
  ll_csv_layout layout{};
  const auto line_end = std::find(block.begin(), block.end(), '\n');
  layout.columns = below(8) ? std::count(block.begin(), line_end, ',') + 1 : static_cast<int64_t>(1 + below(4));
  layout.label_size = static_cast<int64_t>(below(2));
  layout.allow_missing = static_cast<int64_t>(below(2));
  if (below(4) == 0) {
    // The short one comes again and again where damage puts it; as wide as a row it would be one.
    layout.header = layout.columns > 1 && below(2) ? "1" : "label,a,b";
    layout.header_size = static_cast<int64_t>(std::strlen(layout.header));
  }
  decode_csv(data.get(), size, layout, block);
  const std::string first = result;
  layout.portable = 1;
  decode_csv(data.get(), size, layout, block);
  if (result != first) fail("CSV decoders differ", block);
}

void decode_records(const uint8_t* data, int64_t size, bool is_final, ll_record_layout layout, int64_t force,
                    int64_t missing, const std::string& block) {
  result.clear();
  ll_record_scan scan;
  is_done(ll_records_scan(data, size, is_final, &scan), "ll_records_scan", block);
  note(&scan, 1);
  // The records before a broken frame are decoded all the same: what damage does within them is to be seen too.
  const bool sparse = (force ? force : scan.layout) == kSparseLayout;
  if (!layout.columns) layout.columns = scan.columns;
  layout.wide_indices = layout.columns > INT32_MAX || layout.wide_indices;
  const int64_t rows = scan.records;
  if (!sparse && layout.columns > scan.consumed / std::max<int64_t>(1, rows)) return;  // as decoders.py refuses them
  int64_t values = sparse ? ll_records_sparse_capacity(&scan) : rows * layout.columns;
  // In the room that the scan has counted, or less: nothing is written behind it.
  if (sparse && scan.values >= 0 && missing >= 0) values = std::max<int64_t>(0, scan.values - missing);
  if (values > kMostFloats) fail("the rows take more room than the block allows", block);
  auto labels = exactly<float>(layout.label_size ? rows : 0), numbers = exactly<float>(values);
  if (!sparse) {
    if (!is_done(ll_records_dense(data, &scan, &layout, numbers.get(), labels.get()), "ll_records_dense", block))
      return;
    note(numbers.get(), values);
  } else {
    auto starts = exactly<int64_t>(rows + 1);
    auto indices = exactly<char>(values * (layout.wide_indices ? 8 : 4));
    if (!is_done(
            ll_records_sparse(data, &scan, &layout, values, starts.get(), indices.get(), numbers.get(), labels.get()),
            "ll_records_sparse", block))
      return;
    if (scan.values >= 0 && starts[rows] != scan.values) fail("the scan counts other values", block);
    note(starts.get(), rows + 1);
    for (int64_t i = 0; i < starts[rows]; ++i) {
      const int64_t index = layout.wide_indices ? reinterpret_cast<int64_t*>(indices.get())[i]
                                                : reinterpret_cast<int32_t*>(indices.get())[i];
      note(&index, 1);
    }
    note(numbers.get(), starts[rows]);
  }
  if (layout.label_size) note(labels.get(), rows);
}

void try_records(const std::string& block) {
  const int64_t size = static_cast<int64_t>(block.size());
  auto data = exactly<uint8_t>(size);
  std::memcpy(data.get(), block.data(), block.size());
  ll_record_layout layout{};
  layout.columns = below(3) ? 0 : static_cast<int64_t>(below(8));
  layout.label_size = static_cast<int64_t>(below(2));
  layout.allow_missing = static_cast<int64_t>(below(2));
  layout.wide_indices = 1;  // every record is read field by field
  const int64_t force = static_cast<int64_t>(below(4) ? 0 : 1 + below(2));
  const bool is_final = below(2);
  const int64_t missing = below(2) ? -1 : below(2) ? 0 : static_cast<int64_t>(below(20));
  decode_records(data.get(), size, is_final, layout, force, missing, block);
  const std::string first = result;
  layout.wide_indices = 0;
  for (int64_t portable : {0, 1}) {
    layout.portable = portable;
    decode_records(data.get(), size, is_final, layout, force, missing, block);
    if (result != first) fail("record decoders differ", block);
  }
}

// There is one decoder of LIBSVM here: the sanitizers watch it, and rows must be in order. fuzz_formats.py holds it
// against plain Python.
void try_libsvm(const std::string& block) {
  const int64_t size = static_cast<int64_t>(block.size());
  auto data = exactly<char>(size);
  std::memcpy(data.get(), block.data(), block.size());
  const ll_libsvm_layout layout{static_cast<int64_t>(below(2) ? 0 : below(400)), static_cast<int64_t>(below(2)),
                                static_cast<int64_t>(below(2)), static_cast<int64_t>(below(2))};
  const int64_t rows = ll_libsvm_row_capacity(size), capacity = ll_libsvm_capacity(size);
  auto starts = exactly<int64_t>(rows + 1), numbers = exactly<int64_t>(rows);
  auto columns = exactly<int32_t>(capacity);
  auto values = exactly<float>(capacity), labels = exactly<float>(layout.label_size ? rows : 0);
  ll_outcome outcome;
  if (!is_done(ll_libsvm_decode(data.get(), size, &layout, starts.get(), numbers.get(), columns.get(), values.get(),
                                layout.label_size ? labels.get() : nullptr, &outcome),
               "ll_libsvm_decode", block))
    return;
  for (int64_t row = 0; row < outcome.rows; ++row) {
    for (int64_t i = starts[row] + 1; i < starts[row + 1]; ++i) {
      if (columns[i] <= columns[i - 1]) fail("columns of a LIBSVM row are out of order", block);
    }
  }
}

std::string damaged(std::string block, const std::vector<std::string>& examples) {
  static const std::string odd[] = {",",
                                    "\n",
                                    "\r\n",
                                    "\n1\n1\n1\n1\n",
                                    "\"",
                                    "-",
                                    "+",
                                    ".",
                                    "e",
                                    ":",
                                    "#",
                                    " 7:1",
                                    "qid:",
                                    "1e39",
                                    "nan",
                                    "inf",
                                    " ",
                                    "\t",
                                    "0",
                                    "\x80",
                                    "\xff",
                                    std::string(1, '\0'),
                                    "\x0b",
                                    "\x0c",
                                    std::string(9, '\xff'),
                                    "\x0a\x23\xd7\xce",
                                    std::string("\x08\0\0\x20", 4),
                                    std::string(40, '7')};
  for (uint64_t count = below(6); count && !block.empty(); --count) {
    const size_t at = below(block.size()), length = 1 + below(1 + below(40));
    switch (below(6)) {
      case 0: block[at] = static_cast<char>(below(256)); break;
      case 1: block[at] = static_cast<char>(block[at] ^ (1 << below(8))); break;
      case 2: block.erase(at, length); break;
      case 3: block.insert(at, odd[below(std::size(odd))]); break;
      case 4: block.insert(at, block.substr(below(block.size()), length)); break;
      default: {
        const std::string& other = examples[below(examples.size())];
        if (!other.empty()) block.replace(at, std::string::npos, other.substr(below(other.size())));
      }
    }
  }
  return block;
}

std::string contents(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 4) return 2;
  const auto stop = std::chrono::steady_clock::now() + std::chrono::seconds(std::atoi(arguments[1]));
  generator.seed(std::strtoull(arguments[2], nullptr, 10));
  std::vector<std::string> csv, libsvm, records;
  for (int i = 3; i < count; ++i) {
    const std::string path = arguments[i];
    const std::string ending = path.substr(path.rfind('.'));
    (ending == ".csv" ? csv : ending == ".svm" ? libsvm : records).push_back(contents(arguments[i]));
  }
  int64_t blocks = 0;
  for (; std::chrono::steady_clock::now() < stop; ++blocks) {
    try_csv(damaged(csv[below(csv.size())], csv));
    try_libsvm(damaged(libsvm[below(libsvm.size())], libsvm));
    try_records(damaged(records[below(records.size())], records));
  }
  std::printf("%lld blocks of each format\n", static_cast<long long>(blocks));
}
