// What every kernel file needs: the dispatch attribute, vector types, bit access. Not public.
#ifndef TINCTURE_KERNEL_H
#define TINCTURE_KERNEL_H

#if __has_include(<features.h>)
#include <features.h>
#endif
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "CTinctureKernels.h"

#pragma clang fp contract(off)

// One clone for each x86-64 level, chosen by the dynamic loader. Elsewhere the baseline suffices.
#if defined(__x86_64__) && defined(__GLIBC__)
#define TINCTURE_KERNEL \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TINCTURE_KERNEL
#endif

// Functions written for AVX-512, called only where __builtin_cpu_supports("x86-64-v4") says so.
#if defined(__x86_64__) && defined(__GLIBC__)
#include <immintrin.h>
#define TINCTURE_AVX512 __attribute__((target("arch=x86-64-v4")))
#endif

#define TINCTURE_INLINE static inline __attribute__((always_inline))

typedef float float8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef double double8 __attribute__((vector_size(64), aligned(8)));

TINCTURE_INLINE uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

TINCTURE_INLINE float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// Fetches the bytes a page ahead of these, where the processor's own prefetching stops. For vectors that come from
// memory, not from a cache.
TINCTURE_INLINE void fetch_ahead(const void *x) { __builtin_prefetch((const char *)x + 4096); }

TINCTURE_INLINE float float_of_bf16(uint16_t bits) { return float_of((uint32_t)bits << 16); }

TINCTURE_INLINE float float_of_f16(uint16_t bits) {
  _Float16 half;
  memcpy(&half, &bits, sizeof half);
  return (float)half;
}

TINCTURE_INLINE uint32_t magnitude_of(float value) { return bits_of(value) & 0x7fffffffu; }

// The SplitMix64 sequence that starts at the key.
TINCTURE_INLINE uint64_t counter_number(uint64_t key, uint64_t index) {
  uint64_t z = key + (index + 1) * 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

// Two elements share a number of the sequence: the first has its lower half, the second the upper.
TINCTURE_INLINE uint32_t counter_half(uint64_t key, uint64_t start, uint64_t index) {
  return (uint32_t)(counter_number(key, start + index / 2) >> (index % 2 * 32));
}

#endif
