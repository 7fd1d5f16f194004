// The inner loops of Tincture. Not an API: use `Kernels` in TinctureTensors.
//
// Unless said otherwise arrays have n elements, do not overlap, and need no alignment beyond that of
// their type. "magnitude" of a float means its bit pattern without the sign, which orders like its
// absolute value.
#ifndef TINCTURE_KERNELS_H
#define TINCTURE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

// ---- convert.c: storage types to float and back ------------------------------------------------
// Widening returns the largest magnitude met, so a caller sees NaN and infinity (>= 0x7f800000).
uint32_t tincture_widen_bf16(const uint16_t *x, float *y, size_t n);
uint32_t tincture_widen_f16(const uint16_t *x, float *y, size_t n);
uint32_t tincture_widen_f32(const float *x, float *y, size_t n);
uint32_t tincture_widen_f64(const double *x, float *y, size_t n);
uint32_t tincture_widen_f8e4m3(const uint8_t *x, float *y, size_t n);
uint32_t tincture_widen_f8e5m2(const uint8_t *x, float *y, size_t n);
// Narrowing rounds to nearest, ties to even; NaN stays NaN. Overflow gives infinity where the type
// has one and NaN in f8e4m3.
void tincture_narrow_bf16(const float *x, uint16_t *y, size_t n);
void tincture_narrow_f16(const float *x, uint16_t *y, size_t n);
void tincture_narrow_f64(const float *x, double *y, size_t n);
void tincture_narrow_f8e4m3(const float *x, uint8_t *y, size_t n);
void tincture_narrow_f8e5m2(const float *x, uint8_t *y, size_t n);

// The x86-64 level that the loader chose (4, 3 or 1), or 0 where there is only one version.
int tincture_instruction_set(void);

// ---- elementwise.c ------------------------------------------------------------------------------
// y = a x;  y may be x.
void tincture_scale(float a, const float *x, float *y, size_t n);
// y += a x.
void tincture_axpy(float a, const float *x, float *y, size_t n);
// y -= x.
void tincture_subtract(const float *x, float *y, size_t n);
// y += x.
void tincture_add(const float *x, float *y, size_t n);
// y /= x, where a zero in x counts as one.
void tincture_divide_nonzero(const float *x, float *y, size_t n);
// y /= max(x, floor).
void tincture_divide_at_least(float floor, const float *x, float *y, size_t n);
// y = a x + b z;  y may be x or z.
void tincture_combine(float a, const float *x, float b, const float *z, float *y, size_t n);
// y = w b + (1 - w) a with w = min(max(t / max(|a - b|, floor), 0), 1).
void tincture_nearswap(const float *a, const float *b, float t, float floor, float *y, size_t n);
// num += w v and den += w where the sign of w v is the sign of s; zero s counts as positive.
void tincture_agree(float w, const float *v, const float *s, float *num, float *den, size_t n);
// Where |x| > epsilon: sum += x and count += 1.
void tincture_accumulate_active(float epsilon, const float *x, float *sum, float *count, size_t n);
// Where |x| > epsilon and count is 1: y = scale x.
void tincture_scale_unique(
    float epsilon, float scale, const float *x, const float *count, float *y, size_t n);
// Positions with |x| > epsilon that have count 1, and those with count above 1.
void tincture_count_active(
    float epsilon, const float *x, const float *count, uint64_t *unique, uint64_t *shared, size_t n);
// squares += a (x - mean)^2.
void tincture_squared_deviation(float a, const float *x, const float *mean, float *squares, size_t n);
// y = |b - a| k.
void tincture_scaled_distance(const float *a, const float *b, float k, float *y, size_t n);
// y = s >= threshold ? b : a.
void tincture_choose(
    const float *s, float threshold, const float *a, const float *b, float *y, size_t n);

// ---- reduce.c: sixteen lanes, double precision, fixed tree ---------------------------------------
double tincture_dot(const float *x, const float *y, size_t n);
double tincture_sum(const float *x, size_t n);
double tincture_sum_magnitudes(const float *x, size_t n);
size_t tincture_count_nonzero(const float *x, size_t n);
// sum over j of p_j ln(p_j / q_j) with p = softmax(b) + floor, q = softmax(a) + floor.
double tincture_softmax_divergence(const float *a, const float *b, double floor, size_t n);

// ---- select.c: exact order statistics by bit patterns --------------------------------------------
// counts[order(x) >> 16] += 1 for every x; counts has 65,536 entries. order() maps floats to
// unsigned integers that sort alike: magnitudes use the lower half when `magnitude` is not zero.
void tincture_histogram_high(const float *x, int magnitude, uint32_t *counts, size_t n);
// counts[order(x) - (first << 16)] += 1 for every x whose upper half is one of the `buckets` from
// `first` on; counts has 65,536 entries for each bucket.
void tincture_histogram_low(
    const float *x, int magnitude, uint32_t first, uint32_t buckets, uint64_t *counts, size_t n);
// x = 0 where the magnitude is below the threshold; of those equal to it, only the first `ties`
// (counted down) are kept.
void tincture_keep_from(uint32_t threshold, uint64_t *ties, float *x, size_t n);
// x = 0 where the magnitude is above the threshold; of those equal to it, the first `ties` (counted
// down) are removed, too.
void tincture_drop_from(uint32_t threshold, uint64_t *ties, float *x, size_t n);
// x = 0 where the magnitude of key is below the threshold, ties as in keep_from; key may be x.
void tincture_keep_where(
    const float *key, uint32_t threshold, uint64_t *ties, float *x, size_t n);
// x *= m.
void tincture_multiply(const float *m, float *x, size_t n);

// ---- random.c: value = f(key, index) --------------------------------------------------------------
// The 64-bit number of an index.
uint64_t tincture_random(uint64_t key, uint64_t index);
// x[i] *= scale where random(key, start + i) >> 11 is below `threshold` (a probability times 2^53),
// x[i] = 0 elsewhere.
void tincture_random_drop(
    uint64_t key, uint64_t start, uint64_t threshold, float scale, float *x, size_t n);
// One row of magnitude-ranked dropping: element i with ascending rank r (ties by index) is kept when
// random(key, start + i) as a number in [0, 1) is below low + 2 spread r / (n - 1). Dropped elements
// become 0. `scratch` has tincture_rank_scratch(n) entries.
void tincture_rank_drop(
    uint64_t key, uint64_t start, double low, double spread, float *x, size_t n, uint32_t *scratch);
static inline size_t tincture_rank_scratch(size_t n) { return 5 * 16386 + 4 * n + 4097; }
// Bit i % 8 of byte i / 8 is set where x[i] is not zero; there are (n + 7) / 8 bytes.
void tincture_pack_nonzero(const float *x, uint8_t *bits, size_t n);
// x[i] *= scale where the bit is set, x[i] = 0 elsewhere.
void tincture_keep_bits(const uint8_t *bits, float scale, float *x, size_t n);

#endif
