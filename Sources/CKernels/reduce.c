// Sums over arrays: sixteen lanes in double precision, combined by one fixed tree.
#include "kernel.h"
#include "transcendental.h"

typedef struct {
  double8 low, high;
} lanes;

// Macros where inline functions would pass 64-byte vectors, which baseline x86-64 cannot.
#define load8(x) __builtin_convertvector(*(const float8 *)(x), double8)
#define magnitude8(v) __builtin_elementwise_abs(v)

TINCTURE_INLINE double combine(const lanes *sum) {
  double8 v = sum->low + sum->high;
  double a = (v[0] + v[4]) + (v[2] + v[6]), b = (v[1] + v[5]) + (v[3] + v[7]);
  return a + b;
}

// The last n < 16 elements, padded with zeros, so that lanes stay the same lanes.
TINCTURE_INLINE void pad16(const float *x, size_t n, float *out) {
  for (size_t i = 0; i < 16; i++) out[i] = i < n ? x[i] : 0.0f;
}

#define REDUCTION(EXPRESSION_LOW, EXPRESSION_HIGH)     \
  lanes sum = {{0}, {0}};                              \
  size_t i = 0;                                        \
  for (; i + 16 <= n; i += 16) {                       \
    const float *p = x + i;                            \
    sum.low += EXPRESSION_LOW;                         \
    sum.high += EXPRESSION_HIGH;                       \
  }                                                    \
  if (i < n) {                                         \
    float tail[16];                                    \
    pad16(x + i, n - i, tail);                         \
    const float *p = tail;                             \
    sum.low += EXPRESSION_LOW;                         \
    sum.high += EXPRESSION_HIGH;                       \
  }                                                    \
  return combine(&sum)

TINCTURE_KERNEL double tincture_sum(const float *x, size_t n) {
  REDUCTION(load8(p), load8(p + 8));
}

TINCTURE_KERNEL double tincture_sum_magnitudes(const float *x, size_t n) {
  REDUCTION(magnitude8(load8(p)), magnitude8(load8(p + 8)));
}

// Adds sixteen elements whose bits are set; the others count as zero.
TINCTURE_INLINE void spread16(const float *x, const uint8_t *bits, size_t n, float *out) {
  for (size_t i = 0; i < 16; i++) out[i] = i < n && bits[i / 8] >> (i % 8) & 1 ? x[i] : 0.0f;
}

TINCTURE_KERNEL static double sum_kept_any(const float *x, const uint8_t *bits, size_t n) {
  lanes sum = {{0}, {0}};
  for (size_t i = 0; i < n; i += 16) {
    float kept[16];
    spread16(x + i, bits + i / 8, n - i, kept);
    sum.low += magnitude8(load8(kept));
    sum.high += magnitude8(load8(kept + 8));
  }
  return combine(&sum);
}

#ifdef TINCTURE_AVX512
TINCTURE_AVX512 static double sum_kept_512(const float *x, const uint8_t *bits, size_t n) {
  lanes sum = {{0}, {0}};
  for (size_t i = 0; i < n; i += 16) {
    size_t rest = n - i;
    uint32_t kept = bits[i / 8], valid = rest < 16 ? (1u << rest) - 1 : 0xffff;
    if (rest > 8) kept |= (uint32_t)bits[i / 8 + 1] << 8;
    __m512 v = _mm512_abs_ps(_mm512_maskz_loadu_ps((__mmask16)(kept & valid), x + i));
    sum.low += (double8)_mm512_cvtps_pd(_mm512_castps512_ps256(v));
    sum.high += (double8)_mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
  }
  return combine(&sum);
}
#endif

double tincture_sum_magnitudes_kept(const float *x, const uint8_t *bits, size_t n) {
#ifdef TINCTURE_AVX512
  if (__builtin_cpu_supports("x86-64-v4")) return sum_kept_512(x, bits, n);
#endif
  return sum_kept_any(x, bits, n);
}

TINCTURE_KERNEL double tincture_dot(const float *x, const float *y, size_t n) {
  lanes sum = {{0}, {0}};
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    sum.low += load8(x + i) * load8(y + i);
    sum.high += load8(x + i + 8) * load8(y + i + 8);
  }
  if (i < n) {
    float a[16], b[16];
    pad16(x + i, n - i, a);
    pad16(y + i, n - i, b);
    sum.low += load8(a) * load8(b);
    sum.high += load8(a + 8) * load8(b + 8);
  }
  return combine(&sum);
}

enum { strip = 256 };

// The inner product with x - base, strip by strip, in the lanes of tincture_dot and so with its bits.
#define DOT_DIFFERENCE(WIDENED)                                                        \
  lanes sum = {{0}, {0}};                                                              \
  for (size_t start = 0; start < n; start += strip) {                                  \
    size_t count = n - start < strip ? n - start : strip, i = 0;                       \
    float tau[strip];                                                                  \
    for (size_t j = 0; j < count; j += 32) fetch_ahead(x + start + j);                 \
    for (size_t j = 0; j < count; j++) tau[j] = WIDENED(x[start + j]) - base[start + j]; \
    for (; i + 16 <= count; i += 16) {                                                 \
      sum.low += load8(g + start + i) * load8(tau + i);                                \
      sum.high += load8(g + start + i + 8) * load8(tau + i + 8);                       \
    }                                                                                  \
    if (i < count) {                                                                   \
      float a[16], b[16];                                                              \
      pad16(g + start + i, count - i, a);                                              \
      pad16(tau + i, count - i, b);                                                    \
      sum.low += load8(a) * load8(b);                                                  \
      sum.high += load8(a + 8) * load8(b + 8);                                         \
    }                                                                                  \
  }                                                                                    \
  return combine(&sum)

TINCTURE_KERNEL double tincture_dot_difference_bf16(
    const float *g, const uint16_t *x, const float *base, size_t n) {
  DOT_DIFFERENCE(float_of_bf16);
}

TINCTURE_KERNEL double tincture_dot_difference_f16(
    const float *g, const uint16_t *x, const float *base, size_t n) {
  DOT_DIFFERENCE(float_of_f16);
}

TINCTURE_KERNEL uint32_t tincture_largest_magnitude(const float *x, size_t n) {
  uint32_t largest = 0;
  for (size_t i = 0; i < n; i++) largest = magnitude_of(x[i]) > largest ? magnitude_of(x[i]) : largest;
  return largest;
}

TINCTURE_KERNEL size_t tincture_count_nonzero(const float *x, size_t n) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++) count += x[i] != 0.0f;
  return count;
}

enum { chunk = 256 };

// Sums a chunk of numbers over eight lanes that go on from chunk to chunk.
TINCTURE_INLINE void add_lanes(const double *x, double *lane) {
  for (size_t i = 0; i < chunk; i += 8) {
    for (size_t j = 0; j < 8; j++) lane[j] += x[i + j];
  }
}

TINCTURE_INLINE double sum_lanes(const double *lane) {
  return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

// The largest element and the sum of exponentials of the distances to it.
TINCTURE_INLINE void softmax_terms(const float *x, size_t n, double *largest, double *total) {
  float top = x[0];
  for (size_t i = 1; i < n; i++) top = x[i] > top ? x[i] : top;
  double lane[8] = {0}, terms[chunk];
  for (size_t start = 0; start < n; start += chunk) {
    size_t count = n - start < chunk ? n - start : chunk;
    for (size_t i = 0; i < count; i++) terms[i] = exponential((double)x[start + i] - (double)top);
    for (size_t i = count; i < chunk; i++) terms[i] = 0;
    add_lanes(terms, lane);
  }
  *largest = top;
  *total = sum_lanes(lane);
}

TINCTURE_KERNEL double tincture_softmax_divergence(
    const float *a, const float *b, double floor, size_t n) {
  if (n == 0) return 0;
  double top_a, total_a, top_b, total_b, lane[8] = {0}, terms[chunk];
  softmax_terms(a, n, &top_a, &total_a);
  softmax_terms(b, n, &top_b, &total_b);
  double share_a = 1.0 / total_a, share_b = 1.0 / total_b;
  for (size_t start = 0; start < n; start += chunk) {
    size_t count = n - start < chunk ? n - start : chunk;
    for (size_t i = 0; i < count; i++) {
      double p = exponential((double)b[start + i] - top_b) * share_b + floor;
      double q = exponential((double)a[start + i] - top_a) * share_a + floor;
      terms[i] = p * logarithm(p / q);
    }
    for (size_t i = count; i < chunk; i++) terms[i] = 0;
    add_lanes(terms, lane);
  }
  return sum_lanes(lane);
}
