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

// Gathers the places of matching elements before they are counted, so that neither a branch nor a chain
// of increments waits for each element. Adds the number of those before the range to `below`.
enum { gathered = 1024 };

static size_t gather_any(
    const float *x, int magnitude, uint32_t first, uint32_t span, uint32_t *found, size_t *below,
    size_t n) {
  size_t count = 0, under = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t order = order_of(x[i], magnitude);
    found[count] = order - first;
    count += order - first < span;
    under += order < first;
  }
  *below += under;
  return count;
}

#ifdef TINCTURE_AVX512
TINCTURE_AVX512 static size_t gather_512(
    const float *x, int magnitude, uint32_t first, uint32_t span, uint32_t *found, size_t *below,
    size_t n) {
  __m512i sign = _mm512_set1_epi32((int)0x80000000u), origin = _mm512_set1_epi32((int)first);
  __m512i width = _mm512_set1_epi32((int)span);
  size_t count = 0, under = 0;
  for (size_t i = 0; i < n; i += 16) {
    __mmask16 valid = n - i < 16 ? (__mmask16)((1u << (n - i)) - 1) : 0xffff;
    __m512i bits = _mm512_maskz_loadu_epi32(valid, x + i), order;
    if (magnitude) {
      order = _mm512_andnot_si512(sign, bits);
    } else {
      order = _mm512_xor_si512(bits, _mm512_or_si512(_mm512_srai_epi32(bits, 31), sign));
    }
    __m512i place = _mm512_sub_epi32(order, origin);
    __mmask16 inside = _mm512_mask_cmplt_epu32_mask(valid, place, width);
    under += (size_t)__builtin_popcount(_mm512_mask_cmplt_epu32_mask(valid, order, origin));
    _mm512_storeu_si512(found + count, _mm512_maskz_compress_epi32(inside, place));
    count += (size_t)__builtin_popcount(inside);
  }
  *below += under;
  return count;
}
#endif

static size_t gather(
    const float *x, int magnitude, uint32_t first, uint32_t span, uint32_t *found, size_t *below,
    size_t n) {
#ifdef TINCTURE_AVX512
  if (__builtin_cpu_supports("x86-64-v4")) {
    return gather_512(x, magnitude, first, span, found, below, n);
  }
#endif
  return gather_any(x, magnitude, first, span, found, below, n);
}

void tincture_histogram_low(
    const float *x, int magnitude, uint32_t first, uint64_t *counts, size_t n) {
  uint32_t found[gathered + 16];
  size_t below = 0;
  for (size_t start = 0; start < n; start += gathered) {
    size_t length = n - start < gathered ? n - start : gathered;
    size_t count = gather(x + start, magnitude, first << 16, 1u << 16, found, &below, length);
    for (size_t i = 0; i < count; i++) counts[found[i]]++;
  }
}

size_t tincture_count_range(
    const float *x, int magnitude, uint32_t first, uint32_t span, uint32_t *counts, size_t n) {
  uint32_t found[gathered + 16];
  size_t below = 0;
  for (size_t start = 0; start < n; start += gathered) {
    size_t length = n - start < gathered ? n - start : gathered;
    size_t count = gather(x + start, magnitude, first, span, found, &below, length);
    for (size_t i = 0; i < count; i++) counts[found[i]]++;
  }
  return below;
}

TINCTURE_KERNEL static size_t count_equal(uint32_t size, const float *x, size_t n) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++) count += magnitude_of(x[i]) == size;
  return count;
}

TINCTURE_KERNEL static void keep_at_least(uint32_t threshold, float *x, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = magnitude_of(x[i]) >= threshold ? x[i] : 0.0f;
}

TINCTURE_KERNEL static void keep_below(uint32_t threshold, float *x, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = magnitude_of(x[i]) < threshold ? x[i] : 0.0f;
}

void tincture_keep_from(uint32_t threshold, uint64_t *ties, float *x, size_t n) {
  int counts = *ties > 0 && *ties < TINCTURE_ALL_TIES;
  size_t equal = counts ? count_equal(threshold, x, n) : 0;
  if (*ties == 0) {
    keep_at_least(threshold + 1, x, n);
  } else if (equal <= *ties) {
    *ties -= equal;
    keep_at_least(threshold, x, n);
  } else {
    for (size_t i = 0; i < n; i++) {
      uint32_t size = magnitude_of(x[i]);
      if (size == threshold && *ties > 0) {
        *ties -= 1;
      } else if (size <= threshold) {
        x[i] = 0.0f;
      }
    }
  }
}

TINCTURE_KERNEL static void mask_at_least(
    uint32_t threshold, const float *x, uint8_t *bits, size_t n) {
  size_t whole = n / 8;
  for (size_t i = 0; i < whole; i++) {
    uint8_t byte = 0;
    for (size_t j = 0; j < 8; j++) byte |= (uint8_t)((magnitude_of(x[8 * i + j]) >= threshold) << j);
    bits[i] = byte;
  }
  if (n % 8) bits[whole] = 0;
  for (size_t i = 8 * whole; i < n; i++) {
    bits[whole] |= (uint8_t)((magnitude_of(x[i]) >= threshold) << (i % 8));
  }
}

void tincture_mask_from(
    const float *x, uint32_t threshold, uint64_t *ties, uint8_t *bits, size_t n) {
  int counts = *ties > 0 && *ties < TINCTURE_ALL_TIES;
  size_t equal = counts ? count_equal(threshold, x, n) : 0;
  if (*ties == 0) {
    mask_at_least(threshold + 1, x, bits, n);
  } else if (equal <= *ties) {
    *ties -= equal;
    mask_at_least(threshold, x, bits, n);
  } else {
    memset(bits, 0, (n + 7) / 8);
    for (size_t i = 0; i < n; i++) {
      uint32_t size = magnitude_of(x[i]);
      int tied = size == threshold && *ties > 0;
      *ties -= (uint64_t)tied;
      bits[i / 8] |= (uint8_t)((tied || size > threshold) << (i % 8));
    }
  }
}

TINCTURE_KERNEL void tincture_keep_between(uint32_t low, uint32_t high, float *x, size_t n) {
  uint32_t width = high > low ? high - low : 0;
  for (size_t i = 0; i < n; i++) x[i] = magnitude_of(x[i]) - low < width ? x[i] : 0.0f;
}

void tincture_drop_from(uint32_t threshold, uint64_t *ties, float *x, size_t n) {
  int counts = *ties > 0 && *ties < TINCTURE_ALL_TIES;
  size_t equal = counts ? count_equal(threshold, x, n) : 0;
  if (*ties == 0) {
    keep_below(threshold + 1, x, n);
  } else if (equal <= *ties) {
    *ties -= equal;
    keep_below(threshold, x, n);
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
