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
// y = x - base, returning the largest magnitude in x.
uint32_t tincture_difference_bf16(const uint16_t *x, const float *base, float *y, size_t n);
// Narrowing rounds to nearest, ties to even; NaN stays NaN. Overflow gives infinity where the type
// has one and NaN in f8e4m3.
void tincture_narrow_bf16(const float *x, uint16_t *y, size_t n);
void tincture_narrow_f16(const float *x, uint16_t *y, size_t n);
void tincture_narrow_f64(const float *x, double *y, size_t n);
void tincture_narrow_f8e4m3(const float *x, uint8_t *y, size_t n);
void tincture_narrow_f8e5m2(const float *x, uint8_t *y, size_t n);

// The x86-64 level that the loader chose (4, 3 or 1), or 0 where there is only one version.
int tincture_instruction_set(void);
// Whether these functions were compiled for speed.
int tincture_is_optimized(void);
// Whether the processor is one of AMD's with AVX-512.
int tincture_is_amd_512(void);

// ---- elementwise.c ------------------------------------------------------------------------------
// y = a x;  y may be x.
void tincture_scale(float a, const float *x, float *y, size_t n);
// y += a x.
void tincture_axpy(float a, const float *x, float *y, size_t n);
// The same in double precision, rounded once.
void tincture_axpy_in_double(double a, const float *x, float *y, size_t n);
// y += a (x - base) for stored x.
void tincture_axpy_difference_bf16(
    float a, const uint16_t *x, const float *base, float *y, size_t n);
void tincture_axpy_difference_f16(
    float a, const uint16_t *x, const float *base, float *y, size_t n);
// y -= x.
void tincture_subtract(const float *x, float *y, size_t n);
// y += x.
void tincture_add(const float *x, float *y, size_t n);
// y /= x, where a zero in x counts as one.
void tincture_divide(const float *x, float *y, size_t n);
// y = a x + b z;  y may be x or z.
void tincture_combine(float a, const float *x, float b, const float *z, float *y, size_t n);
// y = w b + (1 - w) a with w = min(max(t / max(|a - b|, floor), 0), 1).
void tincture_nearswap(const float *a, const float *b, float t, float floor, float *y, size_t n);
// Where |x| > epsilon: sum += x and count += 1.
void tincture_accumulate_active(float epsilon, const float *x, float *sum, float *count, size_t n);
// Where |x| > epsilon and count is 1: y = scale x.
void tincture_scale_unique(
    float epsilon, float scale, const float *x, const float *count, float *y, size_t n);
// Positions with |x| > epsilon that have count 1, and those with count above 1.
void tincture_count_active(
    float epsilon, const float *x, const float *count, uint64_t *unique, uint64_t *shared, size_t n);
// y = |b - a| k.
void tincture_scaled_distance(const float *a, const float *b, float k, float *y, size_t n);
// y = s >= threshold ? b : a.
void tincture_choose(
    const float *s, float threshold, const float *a, const float *b, float *y, size_t n);

// ---- compete.c: models that compete for positions -----------------------------------------------------
// y = |x| >= |y| ? x : y; NaN counts as larger than everything.
void tincture_take_larger(const float *x, float *y, size_t n);
// y = max(y, |x|) where x has the sign of `sum`, which counts as negative where it is zero.
void tincture_raise_elected(const float *x, const float *sum, float *y, size_t n);
// y = sum > 0 ? y : -y.
void tincture_take_sign(const float *sum, float *y, size_t n);
// Where |x| > lambda |total - x|: count += 1.
void tincture_count_own(
    float lambda, const float *x, const float *total, float *count, size_t n);
// marks = x and common have the same sign, neither being zero; kept = marks ? common : 0.
void tincture_mark_elected(
    const float *x, const float *common, float *kept, uint8_t *marks, size_t n);
// marks = |x| > lambda |common - x|; kept = marks ? common : 0.
void tincture_mark_own(
    float lambda, const float *x, const float *common, float *kept, uint8_t *marks, size_t n);
// sum += sign(x) (clamp(|x|, low, high) - low) / (high - low).
void tincture_add_normalised(float low, float high, const float *x, float *sum, size_t n);
// y = exp(models (s^2 - 1)) tanh(x sum) with s = (clamp(|x|, low, high) - low) / (high - low), in double
// precision.
void tincture_balance(
    float low, float high, float models, const float *x, const float *sum, float *y, size_t n);
// g = (clamp(b, from, to) - from) / (to - from); y += weight sign(x) clamp(|x|, low, high) g; total += g.
void tincture_add_balanced(
    const float bounds[4], float weight, const float *x, const float *b, float *y, float *total,
    size_t n);

// ---- several.c: several models, v[m][i] ------------------------------------------------------------
// y = base + scale sum over m of w[m] v[m]; base may be NULL, here and below.
void tincture_weighted_sum(
    const float *const *v, const float *w, size_t models, float scale, const float *base, float *y,
    size_t n);
// y = base + scale times the sum of those w[m] v[m] that have the sign of the sum of vote[m] v[m],
// divided by nothing, by the sum of their w[m] unless that is zero, or by that sum where it is above
// floor and by floor elsewhere. Where the vote is zero the elected sign is that of zero_sign; zeros never take part.
typedef enum { tincture_divide_none, tincture_divide_nonzero, tincture_divide_floor } tincture_divisor;
void tincture_elect(
    const float *const *v, const float *vote, const float *w, size_t models, float zero_sign,
    tincture_divisor divisor, float floor, float scale, const float *base, float *y, size_t n);
// y = share sum over m of (v[m] - mean)^2 with mean = share sum over m of v[m].
void tincture_variance(const float *const *v, size_t models, float share, float *y, size_t n);

// ---- stored.c: several models as stored ---------------------------------------------------------------
// y = scale sum over m of w[m] x[m], or scale sum over m of w[m] (x[m] - base) where there is a base, plus that
// base if `adds`, for x and base of the type in the name, with the bits of working it out step by step. Returns
// the largest magnitude in y: what is not finite in x or base makes y so, too.
uint32_t tincture_stored_sum_bf16(
    const void *const *x, const float *w, size_t models, float scale, const void *base, int adds,
    float *y, size_t n);
uint32_t tincture_stored_sum_f16(
    const void *const *x, const float *w, size_t models, float scale, const void *base, int adds,
    float *y, size_t n);
uint32_t tincture_stored_sum_f32(
    const void *const *x, const float *w, size_t models, float scale, const void *base, int adds,
    float *y, size_t n);

// ---- reduce.c: sixteen lanes, double precision, fixed tree ---------------------------------------
double tincture_dot(const float *x, const float *y, size_t n);
// The inner product of g and x - base for stored x, with the bits of tincture_dot.
double tincture_dot_difference_bf16(
    const float *g, const uint16_t *x, const float *base, size_t n);
double tincture_dot_difference_f16(
    const float *g, const uint16_t *x, const float *base, size_t n);
double tincture_sum(const float *x, size_t n);
double tincture_sum_magnitudes(const float *x, size_t n);
// The sum over the elements whose bit is set, in the same order.
double tincture_sum_magnitudes_kept(const float *x, const uint8_t *bits, size_t n);
uint32_t tincture_largest_magnitude(const float *x, size_t n);
size_t tincture_count_nonzero(const float *x, size_t n);
// sum over j of p_j ln(p_j / q_j) with p = softmax(b) + floor, q = softmax(a) + floor.
double tincture_softmax_divergence(const float *a, const float *b, double floor, size_t n);

// ---- select.c: exact order statistics by bit patterns --------------------------------------------
// counts[order(x) >> 16] += 1 for every x; counts has 65,536 entries. order() maps floats to
// unsigned integers that sort alike: magnitudes use the lower half when `magnitude` is not zero.
void tincture_histogram_high(const float *x, int magnitude, uint32_t *counts, size_t n);
// counts[order(x) & 0xffff] += 1 for every x whose upper half is `first`; counts has 65,536 entries.
void tincture_histogram_low(
    const float *x, int magnitude, uint32_t first, uint64_t *counts, size_t n);
// counts[order(x) - first] += 1 for every x whose order lies in the `span` values from `first` on;
// returns how many lie below.
size_t tincture_count_range(
    const float *x, int magnitude, uint32_t first, uint32_t span, uint32_t *counts, size_t n);
// From this number on ties are unlimited and not counted down.
#define TINCTURE_ALL_TIES (1ull << 62)
// x = 0 where the magnitude is below the threshold; of those equal to it, only the first `ties`
// (counted down) are kept.
void tincture_keep_from(uint32_t threshold, uint64_t *ties, float *x, size_t n);
// x = 0 where the magnitude is above the threshold; of those equal to it, the first `ties` (counted
// down) are removed, too.
void tincture_drop_from(uint32_t threshold, uint64_t *ties, float *x, size_t n);
// x = 0 unless the magnitude is at least low and below high.
void tincture_keep_between(uint32_t low, uint32_t high, float *x, size_t n);
// Bit i % 8 of byte i / 8 is set where keep_from would keep x[i]; there are (n + 7) / 8 bytes.
void tincture_mask_from(
    const float *x, uint32_t threshold, uint64_t *ties, uint8_t *bits, size_t n);
// x *= m.
void tincture_multiply(const float *m, float *x, size_t n);

// ---- random.c: value = f(key, index) --------------------------------------------------------------
// The 64-bit number of an index.
uint64_t tincture_random(uint64_t key, uint64_t index);
// The 32-bit number of an index counted from `start`: half of random(key, start + index / 2), the lower
// one where the index is even.
uint32_t tincture_random_half(uint64_t key, uint64_t start, uint64_t index);
// x[i] *= scale where random(key, start + i) >> 11 is below `threshold` (a probability times 2^53),
// x[i] = 0 elsewhere.
void tincture_random_drop(
    uint64_t key, uint64_t start, uint64_t threshold, float scale, float *x, size_t n);
// x[i] *= scale where the bit is set, x[i] = 0 elsewhere.
void tincture_keep_bits(const uint8_t *bits, float scale, float *x, size_t n);

// ---- rank.c: random dropping by the rank of magnitudes --------------------------------------------
// One row: bit i % 8 of byte i / 8 is set when element i stays, which it does with probability
// low + 2 spread r / (n - 1) when r of the n - 1 others are smaller or equal and before it; a single
// element with low + spread. The number random_half(key, start, i), taken in [0, 1), decides: below low
// it stays, from low + 2 spread on it goes, between them it stays when the other element at that share
// of the others is one of the r.
void tincture_rank_mask(
    uint64_t key, uint64_t start, double low, double spread, const float *x, size_t n,
    uint8_t *bits);

// ---- codes.c: codes of 1 to 8 bits, packed ----------------------------------------------------------
// Code i takes the bits from i * bits on of the bytes read as one little-endian number; eight codes are
// `bits` bytes. Readers may look at seven bytes beyond the last code.
void tincture_unpack(const uint8_t *bytes, size_t start, int bits, uint8_t *codes, size_t n);
// Packs n codes from a byte on; the unused bits of the last bytes are zero. Writes whole eights.
void tincture_pack(const uint8_t *codes, int bits, uint8_t *bytes, size_t n);
// code = round(clamp(scale x + zero, 0, top)), ties to even.
void tincture_quantize(
    const float *x, float scale, float zero, float top, uint8_t *codes, size_t n);
// y = (code - zero) / scale.
void tincture_decode(
    const uint8_t *bytes, size_t start, int bits, float scale, float zero, float *y, size_t n);
// y += a (code - zero) / scale.
void tincture_decode_add(
    const uint8_t *bytes, size_t start, int bits, float scale, float zero, float a, float *y,
    size_t n);
// sum of g code, strip by strip of 512 elements.
double tincture_code_dot(
    const uint8_t *bytes, size_t start, int bits, const float *g, size_t n);
// low = min(low, x), high = max(high, x).
void tincture_range(const float *x, float *low, float *high, size_t n);
// sum of (x - decoded code of x)^2.
double tincture_quantization_loss(
    const float *x, float scale, float zero, float top, size_t n);

// ---- places.c: which elements of a block are kept ---------------------------------------------------
// Reads n gaps: each is gap >> width zero bits, a one, then the lower `width` bits, the lowest first. The
// i-th place is the one before it, plus one, plus the gap. Returns how many bits were read, or SIZE_MAX
// when they do not suffice or a place is not below `length`. Looks at up to eight bytes beyond `size`.
size_t tincture_read_gaps(
    const uint8_t *bytes, size_t size, int width, uint32_t length, uint32_t *places, size_t n);
// The places of the set bits among the first n, the first bit lowest; returns how many.
size_t tincture_set_bits(const uint8_t *bits, size_t n, uint32_t *places);

// ---- levels.c: codes that stand for numbers of a table ---------------------------------------------
// y = levels[code]; codes are packed as above, and `levels` has a number for every code of `bits` bits.
void tincture_decode_levels(
    const uint8_t *bytes, size_t start, int bits, const float *levels, float *y, size_t n);
// y += levels[code].
void tincture_decode_levels_add(
    const uint8_t *bytes, size_t start, int bits, const float *levels, float *y, size_t n);
// sum of g levels[code], strip by strip of 512 elements.
double tincture_levels_dot(
    const uint8_t *bytes, size_t start, int bits, const float *levels, const float *g, size_t n);
// ranks[i] = how many of m thresholds x[i] reaches.
void tincture_rank(
    const float *x, const float *thresholds, size_t m, uint8_t *ranks, size_t n);
// How many x reach the threshold, and their sum, strip by strip of 512 elements.
size_t tincture_sum_from(const float *x, float threshold, double *sum, size_t n);
// y[i] = x[i] - levels[codes[i]].
void tincture_level_residuals(
    const float *x, const uint8_t *codes, const float *levels, float *y, size_t n);

// ---- symmetric.c --------------------------------------------------------------------------------
// x, n rows of n, becomes the mean of itself and its transpose, with ratio times what is beside the
// diagonal. factor x is added to the lower triangle of sum, whose upper one loses its meaning, and
// reference, which is symmetric, is subtracted afterwards; either may be absent. Returns the largest
// difference between mirrored elements.
float tincture_symmetrize(
    float *x, size_t n, float ratio, double *sum, double factor, const float *reference);

// ---- tridiagonal.c: symmetric tridiagonal matrices with a norm of about one ------------------------
// Eigenvalues number first, first + 1, … counted from the smallest, all between low and high, to about
// 2^-52. squares are those of the elements beside the diagonal, none of them zero, after a first 0.
void tincture_tridiagonal_values(
    size_t n, const double *diagonal, const double *squares, double low, double high, size_t first,
    size_t count, double *values);
// Unit vectors z, one after another, with a small (T - value) z, whose largest norm is returned. They
// are orthogonal as far as values are apart. Pivots of elimination are at least `least`; `first` is how many
// vectors were found before. scratch has tincture_tridiagonal_scratch(n) elements.
double tincture_tridiagonal_vectors(
    size_t n, const double *diagonal, const double *beside, double least, size_t first, size_t count,
    const double *values, double *scratch, double *vectors);
size_t tincture_tridiagonal_scratch(size_t n);

// ---- product.c -----------------------------------------------------------------------------------
// z = x y + bias: rows by columns, inner long. Element (i, j) of a factor is at i row + j column, and one of
// the two steps is 1; rows of z are z_row apart; bias, a number for each column, may be absent. With
// AVX-512 fused, each element of z by itself, so that parts of z may be computed apart from each other.
void tincture_product(
    const float *x, size_t x_row, size_t x_column, const float *y, size_t y_row, size_t y_column,
    const float *bias, float *z, size_t z_row, size_t rows, size_t columns, size_t inner);
// y[j] = the sum of column j of x, whose rows are `row` apart; 64 rows are added up at a time.
void tincture_column_sums(const float *x, size_t row, size_t rows, size_t columns, float *y);

// ---- reduction.c: what makes a symmetric matrix tridiagonal ------------------------------------------
// y from `first` on = the part of A x that rows first to end - 1 of A's upper triangle give, also as
// columns; A is n by n, its rows are `row` apart.
void tincture_triangle_product(
    const double *a, size_t row, size_t n, size_t first, size_t end, const double *x, double *y);
// The inner products of `count` vectors, `row` apart, with x.
void tincture_inner_products(
    const double *v, size_t row, size_t count, const double *x, size_t n, double *products);
// y -= factors[0] v0 + factors[1] v1 + ... for `count` vectors, `row` apart, at least one.
void tincture_subtract_combination(
    const double *v, size_t row, size_t count, const double *factors, double *y, size_t n);
// Tells the processor that this thread only waits for another.
void tincture_pause(void);
// Lets another thread have this one's processor.
void tincture_yield(void);

// ---- memory.c: pages, and what becomes of freed memory, where the C library is GNU's ---------------
// Memory from the system, filled with zeros; NULL where there is no more.
void *tincture_take_pages(size_t bytes);
void tincture_give_pages_back(void *pages, size_t bytes);
// All threads take from one place, before the first does: places of threads' own hold 64 MB at most,
// and give back what they held at once.
void tincture_use_one_arena(void);
// From now on freed blocks of up to a quarter of a gigabyte are kept; 0 where that is not possible.
int tincture_keep_freed(void);
// Gives memory that is not in use back to the system.
void tincture_release_freed(void);
// Bytes that were taken from the system, in use or not; 0 where nobody knows.
size_t tincture_held_memory(void);

#endif
