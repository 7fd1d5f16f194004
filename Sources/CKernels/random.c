// Random numbers as a function of a key and an index (the SplitMix64 sequence started at the key),
// so that results depend on neither order nor threads.
#include "kernel.h"

TINCTURE_INLINE uint64_t number(uint64_t key, uint64_t index) {
  uint64_t z = key + (index + 1) * 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

uint64_t tincture_random(uint64_t key, uint64_t index) { return number(key, index); }

TINCTURE_KERNEL void tincture_random_drop(
    uint64_t key, uint64_t start, uint64_t threshold, float *x, size_t n) {
  for (size_t i = 0; i < n; i++) {
    x[i] = number(key, start + i) >> 11 < threshold ? x[i] : 0.0f;
  }
}

// Buckets of magnitudes for ranking: eight exponent and six mantissa bits.
enum { bucket_count = 16384, bucket_shift = 17 };

// The position of element i among the row's magnitudes, counted from zero, ties by index.
TINCTURE_KERNEL static uint32_t exact_rank(const float *x, size_t n, size_t i) {
  uint32_t size = magnitude_of(x[i]), rank = 0;
  for (size_t j = 0; j < i; j++) rank += magnitude_of(x[j]) <= size;
  for (size_t j = i + 1; j < n; j++) rank += magnitude_of(x[j]) < size;
  return rank;
}

// How many elements of the row have exactly this magnitude.
TINCTURE_KERNEL static uint32_t count_magnitude(const float *x, size_t n, uint32_t size) {
  uint32_t count = 0;
  for (size_t j = 0; j < n; j++) count += magnitude_of(x[j]) == size;
  return count;
}

// The range of the magnitudes that are not zero.
TINCTURE_KERNEL static void magnitude_range(
    const float *x, size_t n, uint32_t *smallest, uint32_t *largest) {
  uint32_t low = 0x7fffffffu, high = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t size = magnitude_of(x[i]), other = size == 0 ? 0x7fffffffu : size;
    low = other < low ? other : low;
    high = size > high ? size : high;
  }
  *smallest = low;
  *largest = high;
}

// The largest rank at which each element is dropped, by its random number: below 0 it always stays,
// from n - 1 on it always goes.
TINCTURE_KERNEL static void rank_limits(
    uint64_t key, uint64_t start, double base, double step, int32_t *limits, size_t n) {
  double most = (double)n;
  for (size_t i = 0; i < n; i++) {
    double u = (double)(number(key, start + i) >> 11) * 0x1p-53;
    double limit = u < base ? -1.0 : step > 0.0 ? (u - base) / step : most;
    limits[i] = (int32_t)(limit < most ? limit : most);
  }
}

TINCTURE_KERNEL static void apply_limits(const int32_t *limits, float *x, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = limits[i] < 0 ? x[i] : 0.0f;
}

enum { unknown = 0, uniform = 1, mixed = 2, chains = 4 };

// Zeros have bucket 0, the smallest other magnitude has bucket 1.
TINCTURE_KERNEL static void bucket_numbers(
    const float *restrict x, int32_t origin, uint32_t *restrict buckets, size_t n) {
  for (size_t i = 0; i < n; i++) {
    int32_t high = (int32_t)(magnitude_of(x[i]) >> bucket_shift);
    buckets[i] = (uint32_t)((high > origin ? high : origin) - origin);
  }
}

// Decides by the bounds of the bucket: the limit becomes -1 for what stays, `last` for what goes, and
// is left alone for what depends on its rank.
TINCTURE_KERNEL static void decide(
    const int32_t *restrict first, const uint32_t *restrict buckets, int32_t last,
    int32_t *restrict limits, size_t n) {
  for (size_t i = 0; i < n; i++) {
    int32_t limit = limits[i], low = first[buckets[i]], high = first[buckets[i] + 1] - 1;
    limits[i] = low > limit ? -1 : high <= limit ? last : limit;
  }
}

// Lists the elements that are left open.
static size_t list_open(const int32_t *limits, int32_t last, uint32_t *open, size_t n) {
  size_t count = 0;
  for (size_t start = 0; start < n; start += 16) {
    size_t end = n - start < 16 ? n : start + 16;
    int any = 0;
    for (size_t i = start; i < end; i++) any |= limits[i] >= 0 && limits[i] < last;
    if (!any) continue;
    for (size_t i = start; i < end; i++) {
      open[count] = (uint32_t)i;
      count += limits[i] >= 0 && limits[i] < last;
    }
  }
  return count;
}

// The bucket of an element's magnitude bounds its rank. Only when the decision differs between the
// two bounds is the rank itself needed: counted along the row, or, in a bucket that holds a single
// value, known from the number of earlier members. The row is counted in four quarters at a time, so
// that equal neighbours do not wait for one another's counter.
void tincture_rank_drop(
    uint64_t key, uint64_t start, double low, double spread, float *x, size_t n,
    uint32_t *scratch) {
  if (n == 0) return;
  uint32_t *counts[chains], *first = scratch;    // first[b]: rank of the first member; first[b+1]: end
  for (size_t c = 0; c < chains; c++) counts[c] = first + (c + 1) * (bucket_count + 2);
  uint32_t *earlier = first + (chains + 1) * (bucket_count + 2);  // members before it in its quarter
  int32_t *limits = (int32_t *)(earlier + n);
  uint32_t *buckets = (uint32_t *)(limits + n);
  uint32_t *open = buckets + n;                  // elements that depend on their rank
  uint8_t *kind = (uint8_t *)(open + n);         // whether the members of a bucket differ
  double step = n > 1 ? 2.0 * spread / (double)(n - 1) : 0.0;
  double base = n > 1 ? low : low + spread;
  uint32_t smallest, largest;
  magnitude_range(x, n, &smallest, &largest);
  if (largest == 0) return;
  int32_t origin = (int32_t)(smallest >> bucket_shift) - 1, last = (int32_t)n - 1;
  size_t used = (size_t)((int32_t)(largest >> bucket_shift) - origin) + 1, quarter = n / chains;
  bucket_numbers(x, origin, buckets, n);
  for (size_t c = 0; c < chains; c++) memset(counts[c], 0, used * sizeof *first);
  for (size_t i = 0; i < quarter; i++) {
    earlier[i] = counts[0][buckets[i]]++;
    earlier[i + quarter] = counts[1][buckets[i + quarter]]++;
    earlier[i + 2 * quarter] = counts[2][buckets[i + 2 * quarter]]++;
    earlier[i + 3 * quarter] = counts[3][buckets[i + 3 * quarter]]++;
  }
  for (size_t i = chains * quarter; i < n; i++) earlier[i] = counts[3][buckets[i]]++;
  uint32_t rank_of_next = 0;
  for (size_t b = 0; b < used; b++) {
    first[b] = rank_of_next;
    rank_of_next += (counts[0][b] + counts[1][b]) + (counts[2][b] + counts[3][b]);
  }
  first[used] = rank_of_next;
  rank_limits(key, start, base, step, limits, n);
  decide((const int32_t *)first, buckets, last, limits, n);
  size_t open_count = list_open(limits, last, open, n);
  if (open_count) memset(kind, unknown, used);
  for (size_t k = 0; k < open_count; k++) {
    size_t i = open[k];
    uint32_t b = buckets[i], rank;
    if (kind[b] == unknown) {
      uint32_t same = count_magnitude(x, n, magnitude_of(x[i]));
      kind[b] = same == first[b + 1] - first[b] ? uniform : mixed;
    }
    if (kind[b] == mixed) {
      rank = exact_rank(x, n, i);
    } else {
      size_t c = quarter == 0 ? 3 : i / quarter;
      rank = first[b] + earlier[i];
      for (size_t before = 0; before < (c < 3 ? c : 3); before++) rank += counts[before][b];
    }
    limits[i] = (int32_t)rank > limits[i] ? -1 : last;
  }
  apply_limits(limits, x, n);
}

TINCTURE_KERNEL void tincture_pack_nonzero(const float *x, uint8_t *bits, size_t n) {
  size_t whole = n / 8;
  for (size_t i = 0; i < whole; i++) {
    uint8_t byte = 0;
    for (size_t j = 0; j < 8; j++) byte |= (uint8_t)((x[8 * i + j] != 0.0f) << j);
    bits[i] = byte;
  }
  if (n % 8) bits[whole] = 0;
  for (size_t i = 8 * whole; i < n; i++) bits[whole] |= (uint8_t)((x[i] != 0.0f) << (i % 8));
}

TINCTURE_KERNEL void tincture_keep_bits(const uint8_t *bits, float *x, size_t n) {
  size_t whole = n / 8;
  for (size_t i = 0; i < whole; i++) {
    for (size_t j = 0; j < 8; j++) x[8 * i + j] = bits[i] >> j & 1 ? x[8 * i + j] : 0.0f;
  }
  for (size_t i = 8 * whole; i < n; i++) x[i] = bits[i / 8] >> (i % 8) & 1 ? x[i] : 0.0f;
}
