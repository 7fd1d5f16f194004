// Exact order statistics without sorting: histograms over bit patterns, then thresholds.
#include "kernel.h"

// Unsigned integers that sort like the floats (or like their magnitudes).
TINCTURE_INLINE uint32_t order_of(float value, int magnitude) {
  uint32_t bits = bits_of(value);
  if (magnitude) return bits & 0x7fffffffu;
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

void tincture_histogram_high(const float *x, int magnitude, uint32_t *counts, size_t n) {
  if (magnitude) {
    for (size_t i = 0; i < n; i++) counts[magnitude_of(x[i]) >> 16]++;
  } else {
    for (size_t i = 0; i < n; i++) counts[order_of(x[i], 0) >> 16]++;
  }
}

// Gathers matching elements before counting them, so that neither a branch nor a chain of increments
// waits for each element.
#define HISTOGRAM_LOW(ORDER)                                        \
  uint32_t found[256], origin = first << 16, span = buckets << 16;  \
  for (size_t start = 0; start < n; start += 256) {                 \
    size_t end = n - start < 256 ? n : start + 256, count = 0;      \
    for (size_t i = start; i < end; i++) {                          \
      uint32_t distance = (ORDER) - origin;                         \
      found[count] = distance;                                      \
      count += distance < span;                                     \
    }                                                               \
    for (size_t i = 0; i < count; i++) counts[found[i]]++;          \
  }

void tincture_histogram_low(
    const float *x, int magnitude, uint32_t first, uint32_t buckets, uint64_t *counts, size_t n) {
  if (magnitude) {
    HISTOGRAM_LOW(magnitude_of(x[i]))
  } else {
    HISTOGRAM_LOW(order_of(x[i], 0))
  }
}

TINCTURE_KERNEL static size_t count_equal(uint32_t size, const float *x, size_t n) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++) count += magnitude_of(x[i]) == size;
  return count;
}

// The key and the elements are the same array in one version and never overlap in the other; the
// compiler vectorises both only when told so.
TINCTURE_KERNEL static void keep_own(uint32_t threshold, float *x, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = magnitude_of(x[i]) >= threshold ? x[i] : 0.0f;
}

TINCTURE_KERNEL static void keep_by_key(
    uint32_t threshold, const float *restrict key, float *restrict x, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = magnitude_of(key[i]) >= threshold ? x[i] : 0.0f;
}

static void keep_at_least(uint32_t threshold, const float *key, float *x, size_t n) {
  if (key == x) {
    keep_own(threshold, x, n);
  } else {
    keep_by_key(threshold, key, x, n);
  }
}

TINCTURE_KERNEL static void keep_below(uint32_t threshold, float *x, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = magnitude_of(x[i]) < threshold ? x[i] : 0.0f;
}

void tincture_keep_where(
    const float *key, uint32_t threshold, uint64_t *ties, float *x, size_t n) {
  size_t equal = count_equal(threshold, key, n);
  if (equal <= *ties) {
    *ties -= equal;
    keep_at_least(threshold, key, x, n);
  } else if (*ties == 0) {
    keep_at_least(threshold + 1, key, x, n);
  } else {
    for (size_t i = 0; i < n; i++) {
      uint32_t size = magnitude_of(key[i]);
      if (size == threshold && *ties > 0) {
        *ties -= 1;
      } else if (size <= threshold) {
        x[i] = 0.0f;
      }
    }
  }
}

void tincture_keep_from(uint32_t threshold, uint64_t *ties, float *x, size_t n) {
  tincture_keep_where(x, threshold, ties, x, n);
}

void tincture_drop_from(uint32_t threshold, uint64_t *ties, float *x, size_t n) {
  size_t equal = count_equal(threshold, x, n);
  if (equal <= *ties) {
    *ties -= equal;
    keep_below(threshold, x, n);
  } else if (*ties == 0) {
    keep_below(threshold + 1, x, n);
  } else {
    for (size_t i = 0; i < n; i++) {
      uint32_t size = magnitude_of(x[i]);
      if (size > threshold) {
        x[i] = 0.0f;
      } else if (size == threshold && *ties > 0) {
        *ties -= 1;
        x[i] = 0.0f;
      }
    }
  }
}
