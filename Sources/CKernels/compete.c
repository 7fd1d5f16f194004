// Loops of methods in which models compete for each position.
#include "transcendental.h"

TINCTURE_INLINE float clamped(float x, float low, float high) {
  float raised = x < low ? low : x;
  return raised > high ? high : raised;
}

// Where |x| lies between low and high, from 0 to 1; 0 where both are the same.
TINCTURE_INLINE float share_of(float x, float low, float high) {
  float range = high - low;
  float above = clamped(x, low, high) - low;
  return range > 0.0f ? above / range : 0.0f * x;
}

TINCTURE_INLINE float signed_by(float x, float size) {
  return x > 0.0f ? size : x < 0.0f ? -size : x;
}

TINCTURE_KERNEL void tincture_take_larger(
    const float *restrict x, float *restrict y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = magnitude_of(x[i]) >= magnitude_of(y[i]) ? x[i] : y[i];
}

TINCTURE_KERNEL void tincture_raise_elected(
    const float *restrict x, const float *restrict sum, float *restrict y, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float agreeing = sum[i] > 0.0f ? x[i] : -x[i];
    y[i] = agreeing > y[i] || agreeing != agreeing ? agreeing : y[i];
  }
}

TINCTURE_KERNEL void tincture_take_sign(
    const float *restrict sum, float *restrict y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = sum[i] > 0.0f ? y[i] : 0.0f - y[i];
}

TINCTURE_KERNEL void tincture_count_own(
    float lambda, const float *restrict x, const float *restrict total, float *restrict count,
    size_t n) {
  for (size_t i = 0; i < n; i++) {
    float others = float_of(magnitude_of(total[i] - x[i]));
    count[i] = count[i] + (float_of(magnitude_of(x[i])) > lambda * others ? 1.0f : 0.0f);
  }
}

TINCTURE_KERNEL void tincture_mark_elected(
    const float *restrict x, const float *restrict common, float *restrict kept,
    uint8_t *restrict marks, size_t n) {
  for (size_t i = 0; i < n; i++) {
    int own = ((x[i] > 0.0f) & (common[i] > 0.0f)) | ((x[i] < 0.0f) & (common[i] < 0.0f));
    kept[i] = own ? common[i] : 0.0f;
    marks[i] = (uint8_t)own;
  }
}

TINCTURE_KERNEL void tincture_mark_own(
    float lambda, const float *restrict x, const float *restrict common, float *restrict kept,
    uint8_t *restrict marks, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float others = float_of(magnitude_of(common[i] - x[i]));
    int own = float_of(magnitude_of(x[i])) > lambda * others;
    kept[i] = own ? common[i] : 0.0f;
    marks[i] = (uint8_t)own;
  }
}

TINCTURE_KERNEL void tincture_add_normalised(
    float low, float high, const float *restrict x, float *restrict sum, size_t n) {
  for (size_t i = 0; i < n; i++) {
    sum[i] = sum[i] + signed_by(x[i], share_of(float_of(magnitude_of(x[i])), low, high));
  }
}

// tanh z: its series where 1 - exp(-2 |z|) would lose digits.
TINCTURE_INLINE double hyperbolic_tangent(double z) {
  double size = z < 0.0 ? -z : z;
  double q = z * z;
  double series = z - z * q * (1.0 / 3.0 - q * (2.0 / 15.0 - q * (17.0 / 315.0)));
  double e = exponential(-2.0 * size);
  double quotient = (1.0 - e) / (1.0 + e);
  return size < 0.01 ? series : z < 0.0 ? -quotient : quotient;
}

TINCTURE_KERNEL void tincture_balance(
    float low, float high, float models, const float *restrict x, const float *restrict sum,
    float *restrict y, size_t n) {
  for (size_t i = 0; i < n; i++) {
    double s = share_of(float_of(magnitude_of(x[i])), low, high);
    double own = exponential((double)models * (s * s - 1.0));
    double shared = hyperbolic_tangent((double)x[i] * (double)sum[i]);
    y[i] = (float)(own * shared);
  }
}

TINCTURE_KERNEL void tincture_add_balanced(
    const float bounds[4], float weight, const float *restrict x, const float *restrict b,
    float *restrict y, float *restrict total, size_t n) {
  float low = bounds[0], high = bounds[1], from = bounds[2], to = bounds[3];
  for (size_t i = 0; i < n; i++) {
    float g = share_of(b[i], from, to);
    float c = signed_by(x[i], clamped(float_of(magnitude_of(x[i])), low, high));
    y[i] = y[i] + weight * (c * g);
    total[i] = total[i] + g;
  }
}
