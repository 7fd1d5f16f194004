// Weighted sums of models straight from their stored elements, with the bits of widening, subtracting and
// tincture_weighted_sum one after another.
#include "kernel.h"

typedef float wide __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t wide_bits __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint32_t wide_codes __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint16_t codes16 __attribute__((vector_size(32), aligned(2), may_alias));
typedef _Float16 halves __attribute__((vector_size(32), aligned(2), may_alias));
typedef enum { bf16, f16, f32 } stored;
// Vectors that are worked on at a time, so that a model's pointer and weight are fetched once for all of them.
enum { lanes = 16, group = 4 };

// Sixteen elements from number i on; a macro, since not every processor can return so many.
#define wide_at(kind, x, i)                                                                        \
  ((kind) == bf16                                                                                  \
       ? (wide)(__builtin_convertvector(*(const codes16 *)((const uint16_t *)(x) + (i)), wide_codes) \
                << 16)                                                                             \
   : (kind) == f16 ? __builtin_convertvector(*(const halves *)((const uint16_t *)(x) + (i)), wide) \
                   : *(const wide *)((const float *)(x) + (i)))

TINCTURE_INLINE float one_at(stored kind, const void *x, size_t i) {
  if (kind == f32) return ((const float *)x)[i];
  uint16_t code = ((const uint16_t *)x)[i];
  return kind == bf16 ? float_of_bf16(code) : float_of_f16(code);
}

TINCTURE_INLINE uint32_t stored_sum(
    stored kind, const void *const *x, const float *w, size_t models, float scale, const void *base,
    int adds, float *y, size_t n) {
  wide_bits largest = {0};
  size_t i = 0;
  for (; i + group * lanes <= n; i += group * lanes) {
    wide origin[group] = {{0}}, sum[group] = {{0}};
    for (size_t j = 0; base && j < group; j++) origin[j] = wide_at(kind, base, i + j * lanes);
    for (size_t m = 0; m < models; m++) {
      for (size_t j = 0; j < group; j++) {
        wide value = wide_at(kind, x[m], i + j * lanes);
        sum[j] = sum[j] + w[m] * (base ? value - origin[j] : value);
      }
    }
    for (size_t j = 0; j < group; j++) {
      wide result = scale * sum[j];
      if (adds) result = result + origin[j];
      largest = __builtin_elementwise_max(largest, (wide_bits)result & 0x7fffffff);
      *(wide *)(y + i + j * lanes) = result;
    }
  }
  uint32_t magnitude = 0;
  for (size_t j = 0; j < lanes; j++) {
    magnitude = (uint32_t)largest[j] > magnitude ? (uint32_t)largest[j] : magnitude;
  }
  for (; i < n; i++) {
    float origin = base ? one_at(kind, base, i) : 0.0f, sum = 0.0f;
    for (size_t m = 0; m < models; m++) {
      float value = one_at(kind, x[m], i);
      sum = sum + w[m] * (base ? value - origin : value);
    }
    y[i] = adds ? scale * sum + origin : scale * sum;
    magnitude = magnitude_of(y[i]) > magnitude ? magnitude_of(y[i]) : magnitude;
  }
  return magnitude;
}

TINCTURE_KERNEL uint32_t tincture_stored_sum_bf16(
    const void *const *x, const float *w, size_t models, float scale, const void *base, int adds,
    float *y, size_t n) {
  return stored_sum(bf16, x, w, models, scale, base, adds, y, n);
}

TINCTURE_KERNEL uint32_t tincture_stored_sum_f16(
    const void *const *x, const float *w, size_t models, float scale, const void *base, int adds,
    float *y, size_t n) {
  return stored_sum(f16, x, w, models, scale, base, adds, y, n);
}

TINCTURE_KERNEL uint32_t tincture_stored_sum_f32(
    const void *const *x, const float *w, size_t models, float scale, const void *base, int adds,
    float *y, size_t n) {
  return stored_sum(f32, x, w, models, scale, base, adds, y, n);
}
