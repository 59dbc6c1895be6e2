// The engine's doors: an MXNet operator for the product, and plain C functions for tests that run without MXNet.

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine.h"
#include "kernels.h"
#include "mxnet/lib_api.h"

namespace linear_learner {
namespace {

using mxnet::ext::MXReturnValue;
using mxnet::ext::MXTensor;
using Attributes = std::unordered_map<std::string, std::string>;

// The operator's inputs, in order. Those from kWeights on are changed in place.
enum Input {
  kFeatures,    // float32 (n, d), or (1, d) with the address of more in features_address; of sparse rows any one
  kLabels,      // float32 (n)
  kRowWeights,  // float32 (n), or (1) with weighted=0
  kOrder,       // int64 (m)
  kRates,       // float64 (kRateCount, K)
  kWeights,     // float32 (T, d, 16)
  kBias,        // float32 (T * 16)
  kFirstMoment,
  kSecondMoment,
  kFirstBiasMoment,
  kSecondBiasMoment,
  kInputCount
};

constexpr int kInputTypes[kInputCount] = {mxnet::ext::kFloat32, mxnet::ext::kFloat32, mxnet::ext::kFloat32,
                                          mxnet::ext::kInt64,   mxnet::ext::kFloat64, mxnet::ext::kFloat32,
                                          mxnet::ext::kFloat32, mxnet::ext::kFloat32, mxnet::ext::kFloat32,
                                          mxnet::ext::kFloat32, mxnet::ext::kFloat32};

int64_t integer(const Attributes& attributes, const char* name) { return std::stoll(attributes.at(name)); }

MXReturnValue parse_attributes(const Attributes&, int* inputs, int* outputs) {
  *inputs = kInputCount;
  *outputs = 1;
  return mxnet::ext::MX_SUCCESS;
}

MXReturnValue infer_type(const Attributes&, std::vector<int>* inputs, std::vector<int>* outputs) {
  for (int i = 0; i < kInputCount; ++i) {
    if (inputs->at(i) != kInputTypes[i]) {
      MX_ERROR_MSG << "linear_learner: input " << i << " is of the wrong type";
      return mxnet::ext::MX_FAIL;
    }
  }
  outputs->at(0) = mxnet::ext::kFloat64;
  return mxnet::ext::MX_SUCCESS;
}

MXReturnValue infer_shape(const Attributes&, std::vector<std::vector<unsigned>>* inputs,
                          std::vector<std::vector<unsigned>>* outputs) {
  outputs->at(0) = {inputs->at(kRates).at(1)};
  return mxnet::ext::MX_SUCCESS;
}

MXReturnValue mutate_state(const Attributes&, std::vector<int>* indices) {
  for (int i = kWeights; i < kInputCount; ++i) indices->push_back(i);
  return mxnet::ext::MX_SUCCESS;
}

void check_size(const MXTensor& tensor, int64_t size, const char* name) {
  if (tensor.size() != size) throw std::runtime_error(std::string(name) + " is of the wrong size");
}

Call call_of(const Attributes& attributes, std::vector<MXTensor>& inputs, std::vector<MXTensor>& outputs) {
  Call call;
  // MXNet 1.9.1 takes no array of 2^31 elements or more: such features come by their address.
  const int64_t address = integer(attributes, "features_address");
  // Sparse rows come by the addresses of their three arrays, that of the values in features_address: any may be empty.
  const int64_t indptr = integer(attributes, "indptr_address");
  call.n = inputs[kLabels].size();
  call.d = inputs[kWeights].shape.at(1);
  call.m = inputs[kOrder].size();
  call.candidates = inputs[kRates].shape.at(1);
  call.outputs = integer(attributes, "outputs");
  const bool weighted = integer(attributes, "weighted") != 0;
  const int64_t columns = (call.candidates * call.outputs + kTile - 1) / kTile * kTile;
  check_size(inputs[kFeatures], indptr != 0 ? 1 : (address == 0 ? call.n : 1) * call.d, "features");
  check_size(inputs[kRowWeights], weighted ? call.n : 1, "row weights");
  check_size(inputs[kRates], kRateCount * call.candidates, "rates");
  for (const Input i : {kWeights, kFirstMoment, kSecondMoment}) check_size(inputs[i], columns * call.d, "weights");
  for (const Input i : {kBias, kFirstBiasMoment, kSecondBiasMoment}) check_size(inputs[i], columns, "bias");

  call.indptr = reinterpret_cast<const int64_t*>(indptr);
  call.indices = reinterpret_cast<const int32_t*>(integer(attributes, "indices_address"));
  call.values = indptr == 0 ? nullptr : reinterpret_cast<const float*>(address);
  call.features = indptr != 0    ? nullptr
                  : address == 0 ? inputs[kFeatures].data<float>()
                                 : reinterpret_cast<const float*>(address);
  call.labels = inputs[kLabels].data<float>();
  call.row_weights = weighted ? inputs[kRowWeights].data<float>() : nullptr;
  call.order = inputs[kOrder].data<int64_t>();
  call.rates = inputs[kRates].data<double>();
  call.weights = inputs[kWeights].data<float>();
  call.bias = inputs[kBias].data<float>();
  call.moments[0] = inputs[kFirstMoment].data<float>();
  call.moments[1] = inputs[kSecondMoment].data<float>();
  call.bias_moments[0] = inputs[kFirstBiasMoment].data<float>();
  call.bias_moments[1] = inputs[kSecondBiasMoment].data<float>();
  call.updates = integer(attributes, "updates");
  call.loss = attributes.at("loss").c_str();
  call.optimizer = attributes.at("optimizer").c_str();
  call.penalty_factors = reinterpret_cast<const float*>(integer(attributes, "penalty_factors_address"));
  // std::stod throws for a number so small that it is subnormal.
  call.constant = std::strtod(attributes.at("constant").c_str(), nullptr);
  call.mini_batch_size = integer(attributes, "mini_batch_size");
  call.use_bias = integer(attributes, "use_bias");
  call.threads = integer(attributes, "threads");
  call.snapshot_rows = integer(attributes, "snapshot_rows");
  call.snapshot_done = integer(attributes, "snapshot_done");
  call.average_weights = reinterpret_cast<float*>(integer(attributes, "average_weights_address"));
  call.average_bias = reinterpret_cast<float*>(integer(attributes, "average_bias_address"));
  call.sums = outputs[0].data<double>();
  return call;
}

MXReturnValue forward(const Attributes& attributes, std::vector<MXTensor>* inputs, std::vector<MXTensor>* outputs,
                      const mxnet::ext::OpResource&) {
  try {
    const Call call = call_of(attributes, *inputs, *outputs);
    if (integer(attributes, "train") != 0)
      train(call);
    else
      evaluate(call);
    return mxnet::ext::MX_SUCCESS;
  } catch (const std::exception& error) {
    MX_ERROR_MSG << "linear_learner: " << error.what();
    return mxnet::ext::MX_FAIL;
  }
}

REGISTER_OP(linear_learner)
    .setForward(forward, "cpu")
    .setParseAttrs(parse_attributes)
    .setInferType(infer_type)
    .setInferShape(infer_shape)
    .setMutateInputs(mutate_state);

}  // namespace
}  // namespace linear_learner

// MXNet asks whether its version suits: the interface of lib_api.h is that of 1.9 (MX_LIBRARY_VERSION).
mxnet::ext::MXReturnValue initialize(int version) {
  return version >= 10900 && version < 20000 ? mxnet::ext::MX_SUCCESS : mxnet::ext::MX_FAIL;
}

extern "C" {

// 0, or 1 with a message in ``error`` (256 bytes).
int linear_learner_call(const linear_learner::Call* call, int train, char* error) {
  try {
    if (train)
      linear_learner::train(*call);
    else
      linear_learner::evaluate(*call);
    return 0;
  } catch (const std::exception& problem) {
    snprintf(error, 256, "%s", problem.what());
    return 1;
  }
}

// 1 if this machine runs the kernels of that name, which later calls then use.
int linear_learner_choose_kernels(const char* name) { return linear_learner::choose_kernels(name); }

// The name of the kernels that calls use.
const char* linear_learner_kernels() { return linear_learner::chosen_kernels().name; }

}  // extern "C"
