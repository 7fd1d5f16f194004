// Loops in which every output element depends on the input elements at the same position.
#include "kernel.h"

TINCTURE_KERNEL void tincture_scale(float a, const float *x, float *y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = a * x[i];
}

TINCTURE_KERNEL void tincture_axpy(float a, const float *restrict x, float *restrict y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = y[i] + a * x[i];
}

TINCTURE_KERNEL void tincture_axpy_in_double(
    double a, const float *restrict x, float *restrict y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = (float)((double)y[i] + a * (double)x[i]);
}

enum { strip = 256 };

#define AXPY_DIFFERENCE(WIDENED)                                                            \
  for (size_t start = 0; start < n; start += strip) {                                       \
    size_t end = n - start < strip ? n : start + strip;                                     \
    for (size_t i = start; i < end; i += 32) fetch_ahead(x + i);                            \
    for (size_t i = start; i < end; i++) y[i] = y[i] + a * (WIDENED(x[i]) - base[i]); \
  }

TINCTURE_KERNEL void tincture_axpy_difference_bf16(
    float a, const uint16_t *restrict x, const float *restrict base, float *restrict y, size_t n) {
  AXPY_DIFFERENCE(float_of_bf16)
}

TINCTURE_KERNEL void tincture_axpy_difference_f16(
    float a, const uint16_t *restrict x, const float *restrict base, float *restrict y, size_t n) {
  AXPY_DIFFERENCE(float_of_f16)
}

TINCTURE_KERNEL void tincture_subtract(const float *restrict x, float *restrict y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = y[i] - x[i];
}

TINCTURE_KERNEL void tincture_add(const float *restrict x, float *restrict y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = y[i] + x[i];
}

TINCTURE_KERNEL void tincture_multiply(const float *restrict m, float *restrict x, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = x[i] * m[i];
}

TINCTURE_KERNEL void tincture_divide(
    const float *restrict x, float *restrict y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = y[i] / (x[i] == 0.0f ? 1.0f : x[i]);
}

TINCTURE_KERNEL void tincture_combine(
    float a, const float *x, float b, const float *z, float *y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = a * x[i] + b * z[i];
}

TINCTURE_KERNEL void tincture_nearswap(
    const float *restrict a, const float *restrict b, float t, float floor, float *restrict y,
    size_t n) {
  for (size_t i = 0; i < n; i++) {
    float distance = float_of(magnitude_of(a[i] - b[i]));
    float w = t / (distance > floor ? distance : floor);
    w = w < 0.0f ? 0.0f : w > 1.0f ? 1.0f : w;
    y[i] = w * b[i] + (1.0f - w) * a[i];
  }
}

TINCTURE_KERNEL void tincture_accumulate_active(
    float epsilon, const float *restrict x, float *restrict sum, float *restrict count, size_t n) {
  for (size_t i = 0; i < n; i++) {
    int active = float_of(magnitude_of(x[i])) > epsilon;
    sum[i] = sum[i] + (active ? x[i] : 0.0f);
    count[i] = count[i] + (active ? 1.0f : 0.0f);
  }
}

TINCTURE_KERNEL void tincture_scale_unique(
    float epsilon, float scale, const float *restrict x, const float *restrict count,
    float *restrict y, size_t n) {
  for (size_t i = 0; i < n; i++) {
    int unique = float_of(magnitude_of(x[i])) > epsilon && count[i] == 1.0f;
    y[i] = unique ? scale * x[i] : y[i];
  }
}

TINCTURE_KERNEL void tincture_count_active(
    float epsilon, const float *restrict x, const float *restrict count, uint64_t *unique,
    uint64_t *shared, size_t n) {
  uint64_t alone = 0, together = 0;
  for (size_t i = 0; i < n; i++) {
    int active = float_of(magnitude_of(x[i])) > epsilon;
    alone += active && count[i] == 1.0f;
    together += active && count[i] > 1.0f;
  }
  *unique += alone;
  *shared += together;
}

TINCTURE_KERNEL void tincture_scaled_distance(
    const float *restrict a, const float *restrict b, float k, float *restrict y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = float_of(magnitude_of(b[i] - a[i])) * k;
}

TINCTURE_KERNEL void tincture_choose(
    const float *s, float threshold, const float *a, const float *b, float *y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = s[i] >= threshold ? b[i] : a[i];
}
