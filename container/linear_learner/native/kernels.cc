#include "kernels.h"

#include <string.h>

#include <atomic>

namespace linear_learner {
namespace {

bool runs_avx2() {
#ifdef __x86_64__
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

bool runs_avx512() {
#if defined(EMULATE_AVX512)
  return runs_avx2();  // a test compiled those kernels for AVX2
#elif defined(__x86_64__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && runs_avx2();
#else
  return false;
#endif
}

}  // namespace

#ifndef __x86_64__
const Kernels* avx2_kernels() { return nullptr; }
const Kernels* avx512_kernels() { return nullptr; }
#endif

namespace {

const Kernels* runnable(const char* name) {
  const Kernels* const fastest_first[] = {runs_avx512() ? avx512_kernels() : nullptr,
                                          runs_avx2() ? avx2_kernels() : nullptr, baseline_kernels()};
  for (const Kernels* kernels : fastest_first)
    if (kernels != nullptr && (name == nullptr || strcmp(kernels->name, name) == 0)) return kernels;
  return nullptr;
}

std::atomic<const Kernels*> chosen{nullptr};

}  // namespace

const Kernels& chosen_kernels() {
  if (chosen == nullptr) chosen = runnable(nullptr);
  return *chosen;
}

bool choose_kernels(const char* name) {
  const Kernels* const kernels = runnable(name);
  if (kernels != nullptr) chosen = kernels;
  return kernels != nullptr;
}

}  // namespace linear_learner
