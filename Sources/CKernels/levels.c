// Codes that stand for one of a few numbers, looked up in a table, and the choice of these numbers.
#include "kernel.h"

enum { strip = 512 };

#define IN_STRIPS(BODY)                                   \
  for (size_t first = 0; first < n; first += strip) {     \
    size_t count = n - first < strip ? n - first : strip; \
    BODY                                                  \
  }

TINCTURE_KERNEL static void look_up(
    const uint8_t *restrict codes, const float *restrict levels, float *restrict y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = levels[codes[i]];
}

void tincture_decode_levels(
    const uint8_t *bytes, size_t start, int bits, const float *levels, float *y, size_t n) {
  uint8_t codes[strip];
  IN_STRIPS({
    tincture_unpack(bytes, start + first, bits, codes, count);
    look_up(codes, levels, y + first, count);
  })
}

TINCTURE_KERNEL static void look_up_add(
    const uint8_t *restrict codes, const float *restrict levels, float *restrict y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = y[i] + levels[codes[i]];
}

void tincture_decode_levels_add(
    const uint8_t *bytes, size_t start, int bits, const float *levels, float *y, size_t n) {
  uint8_t codes[strip];
  IN_STRIPS({
    tincture_unpack(bytes, start + first, bits, codes, count);
    look_up_add(codes, levels, y + first, count);
  })
}

double tincture_levels_dot(
    const uint8_t *bytes, size_t start, int bits, const float *levels, const float *g, size_t n) {
  float values[strip];
  double sum = 0;
  IN_STRIPS({
    tincture_decode_levels(bytes, start + first, bits, levels, values, count);
    sum += tincture_dot(g + first, values, count);
  })
  return sum;
}

TINCTURE_KERNEL void tincture_rank(
    const float *restrict x, const float *restrict thresholds, size_t m, uint8_t *restrict ranks,
    size_t n) {
  for (size_t i = 0; i < n; i++) ranks[i] = 0;
  for (size_t j = 0; j < m; j++) {
    float threshold = thresholds[j];
    for (size_t i = 0; i < n; i++) ranks[i] = (uint8_t)(ranks[i] + (x[i] >= threshold));
  }
}

TINCTURE_KERNEL static size_t take_from(
    const float *restrict x, float threshold, float *restrict y, size_t n) {
  uint32_t count = 0;
  for (size_t i = 0; i < n; i++) {
    y[i] = x[i] >= threshold ? x[i] : 0.0f;
    count += x[i] >= threshold;
  }
  return count;
}

size_t tincture_sum_from(const float *x, float threshold, double *sum, size_t n) {
  float taken[strip];
  size_t total = 0;
  double result = 0;
  IN_STRIPS({
    total += take_from(x + first, threshold, taken, count);
    result += tincture_sum(taken, count);
  })
  *sum = result;
  return total;
}

TINCTURE_KERNEL void tincture_level_residuals(
    const float *restrict x, const uint8_t *restrict codes, const float *restrict levels,
    float *restrict y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = x[i] - levels[codes[i]];
}
