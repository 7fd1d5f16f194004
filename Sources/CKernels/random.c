// Random numbers as a function of a key and an index (the SplitMix64 sequence started at the key),
// so that results depend on neither order nor threads.
#include "kernel.h"

uint64_t tincture_random(uint64_t key, uint64_t index) { return counter_number(key, index); }

uint32_t tincture_random_half(uint64_t key, uint64_t start, uint64_t index) {
  return counter_half(key, start, index);
}

TINCTURE_KERNEL void tincture_random_drop(
    uint64_t key, uint64_t start, uint64_t threshold, float scale, float *x, size_t n) {
  for (size_t i = 0; i < n; i++) {
    x[i] = counter_number(key, start + i) >> 11 < threshold ? scale * x[i] : 0.0f;
  }
}

TINCTURE_KERNEL static void keep_bits_any(const uint8_t *bits, float scale, float *x, size_t n) {
  size_t whole = n / 8;
  for (size_t i = 0; i < whole; i++) {
    for (size_t j = 0; j < 8; j++) x[8 * i + j] = bits[i] >> j & 1 ? scale * x[8 * i + j] : 0.0f;
  }
  for (size_t i = 8 * whole; i < n; i++) x[i] = bits[i / 8] >> (i % 8) & 1 ? scale * x[i] : 0.0f;
}

#ifdef TINCTURE_AVX512
TINCTURE_AVX512 static void keep_bits_512(const uint8_t *bits, float scale, float *x, size_t n) {
  __m512 factor = _mm512_set1_ps(scale);
  for (size_t i = 0; i < n; i += 16) {
    __mmask16 kept;
    memcpy(&kept, bits + i / 8, sizeof kept);
    _mm512_storeu_ps(x + i, _mm512_maskz_mul_ps(kept, factor, _mm512_loadu_ps(x + i)));
  }
}
#endif

void tincture_keep_bits(const uint8_t *bits, float scale, float *x, size_t n) {
  size_t done = 0;
#ifdef TINCTURE_AVX512
  if (__builtin_cpu_supports("x86-64-v4")) keep_bits_512(bits, scale, x, done = n / 16 * 16);
#endif
  keep_bits_any(bits + done / 8, scale, x + done, n - done);
}
