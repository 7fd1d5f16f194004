// Loops over several models at once: a few elements of all models are finished before the next, so that
// intermediate vectors stay in registers.
#include "kernel.h"

// Sixteen elements; a macro loads and stores them where functions could not pass them on every processor.
typedef float wide __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t wide_bits __attribute__((vector_size(64), aligned(4), may_alias));
enum { lanes = 16, strip = 64 };

#define at(pointer, i) (*(wide *)((pointer) + (i)))
#define read_at(pointer, i) (*(const wide *)((pointer) + (i)))

static inline float weighted_one(
    const float *const *v, const float *w, size_t models, size_t i) {
  float sum = 0.0f;
  for (size_t m = 0; m < models; m++) sum = sum + w[m] * v[m][i];
  return sum;
}

TINCTURE_KERNEL void tincture_weighted_sum(
    const float *const *v, const float *w, size_t models, float scale, const float *base, float *y,
    size_t n) {
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    wide sum = {0};
    for (size_t m = 0; m < models; m++) sum = sum + w[m] * read_at(v[m], i);
    sum = scale * sum;
    at(y, i) = base ? sum + read_at(base, i) : sum;
  }
  for (; i < n; i++) {
    float sum = scale * weighted_one(v, w, models, i);
    y[i] = base ? sum + base[i] : sum;
  }
}

TINCTURE_INLINE float divided(float sum, float by, tincture_divisor divisor, float floor) {
  if (divisor == tincture_divide_nonzero) return sum / (by == 0.0f ? 1.0f : by);
  if (divisor == tincture_divide_floor) return sum / (by > floor ? by : floor);
  return sum;
}

// Signs are taken out before the comparison and put back at the end, so that one comparison serves both.
TINCTURE_KERNEL void tincture_elect(
    const float *const *v, const float *vote, const float *w, size_t models, float zero_sign,
    tincture_divisor divisor, float floor, float scale, const float *base, float *y, size_t n) {
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    wide zero = {0}, sign = zero, num = zero, den = zero;
    for (size_t m = 0; m < models; m++) sign = sign + vote[m] * read_at(v[m], i);
    wide_bits negative = zero_sign < 0.0f ? ~(sign > 0.0f) : ~(sign >= 0.0f);
    wide_bits flip = negative & (int32_t)0x80000000u;
    for (size_t m = 0; m < models; m++) {
      wide x = (wide)((wide_bits)(w[m] * read_at(v[m], i)) ^ flip);
      wide_bits agrees = x > 0.0f;
      num = num + (wide)((wide_bits)x & agrees);
      den = den + (wide)((wide_bits)(zero + w[m]) & agrees);
    }
    if (divisor == tincture_divide_nonzero) {
      num = num / (den + (wide)((den == 0.0f) & (int32_t)0x3f800000));  // the bits of one
    } else if (divisor == tincture_divide_floor) {
      num = num / __builtin_elementwise_max(den, zero + floor);
    }
    num = scale * ((wide)((wide_bits)num ^ flip) + 0.0f);
    at(y, i) = base ? num + read_at(base, i) : num;
  }
  for (; i < n; i++) {
    float sign = weighted_one(v, vote, models, i), num = 0.0f, den = 0.0f;
    int negative = zero_sign < 0.0f ? !(sign > 0.0f) : !(sign >= 0.0f);
    for (size_t m = 0; m < models; m++) {
      float x = w[m] * v[m][i];
      int agrees = negative ? x < 0.0f : x > 0.0f;
      num = num + (agrees ? x : 0.0f);
      den = den + (agrees ? w[m] : 0.0f);
    }
    num = scale * (divided(num, den, divisor, floor) + 0.0f);
    y[i] = base ? num + base[i] : num;
  }
}

TINCTURE_INLINE void variance_strip(
    const float *const *v, size_t models, float share, size_t start, float *y, size_t count) {
  float mean[strip], squares[strip] = {0};
  for (size_t j = 0; j < count; j++) mean[j] = 0.0f;
  for (size_t m = 0; m < models; m++) {
    for (size_t j = 0; j < count; j++) mean[j] = mean[j] + v[m][start + j];
  }
  for (size_t j = 0; j < count; j++) mean[j] = share * mean[j];
  for (size_t m = 0; m < models; m++) {
    for (size_t j = 0; j < count; j++) {
      float d = v[m][start + j] - mean[j];
      squares[j] = squares[j] + share * (d * d);
    }
  }
  for (size_t j = 0; j < count; j++) y[j] = squares[j];
}

TINCTURE_KERNEL void tincture_variance(
    const float *const *v, size_t models, float share, float *y, size_t n) {
  size_t i = 0;
  for (; i + strip <= n; i += strip) variance_strip(v, models, share, i, y + i, strip);
  if (i < n) variance_strip(v, models, share, i, y + i, n - i);
}
