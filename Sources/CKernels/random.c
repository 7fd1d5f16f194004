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

TINCTURE_KERNEL static void apply_flags(const uint8_t *flags, float *x, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = flags[i] ? x[i] : 0.0f;
}

TINCTURE_KERNEL static void magnitude_range(
    const float *x, size_t n, uint32_t *smallest, uint32_t *largest) {
  uint32_t low = 0xffffffffu, high = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t size = magnitude_of(x[i]);
    low = size < low ? size : low;
    high = size > high ? size : high;
  }
  *smallest = low;
  *largest = high;
}

// The bucket of an element's magnitude bounds its rank. Only when the decision differs between the
// two bounds is the rank itself needed: counted along the row, or, in a bucket that holds a single
// value, known from the number of earlier members.
void tincture_rank_drop(
    uint64_t key, uint64_t start, double low, double spread, float *x, size_t n,
    uint32_t *scratch) {
  if (n == 0) return;
  uint32_t *first = scratch;                 // first[b]: rank of the first member; first[b+1]: end
  uint32_t *seen = first + bucket_count + 1; // members met so far
  uint32_t *value = seen + bucket_count;     // the magnitude of a member
  uint8_t *mixed = (uint8_t *)(value + bucket_count);  // whether members differ
  uint8_t *kept = mixed + bucket_count;
  double step = n > 1 ? 2.0 * spread / (double)(n - 1) : 0.0;
  double base = n > 1 ? low : low + spread;
  uint32_t smallest, largest;
  magnitude_range(x, n, &smallest, &largest);
  uint32_t origin = smallest >> bucket_shift;
  size_t used = (largest >> bucket_shift) - origin + 1;
  memset(first, 0, (used + 1) * sizeof *first);
  memset(seen, 0, used * sizeof *seen);
  memset(mixed, 0, used);
  for (size_t i = 0; i < n; i++) {
    uint32_t size = magnitude_of(x[i]), b = (size >> bucket_shift) - origin;
    if (first[b + 1]++ == 0) value[b] = size;
    mixed[b] |= value[b] != size;
  }
  for (size_t b = 0; b < used; b++) first[b + 1] += first[b];
  for (size_t i = 0; i < n; i++) {
    uint32_t b = (magnitude_of(x[i]) >> bucket_shift) - origin;
    double u = (double)(number(key, start + i) >> 11) * 0x1p-53;
    uint32_t earlier = seen[b]++;
    int certainly = u < base + step * (double)first[b];
    int possibly = u < base + step * (double)(first[b + 1] - 1);
    if (certainly != possibly) {
      uint32_t rank = mixed[b] ? exact_rank(x, n, i) : first[b] + earlier;
      certainly = u < base + step * (double)rank;
    }
    kept[i] = (uint8_t)certainly;
  }
  apply_flags(kept, x, n);
}
