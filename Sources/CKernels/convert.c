// Storage types to float and back.
#include "kernel.h"

TINCTURE_KERNEL uint32_t tincture_widen_bf16(const uint16_t *x, float *y, size_t n) {
  uint32_t largest = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t bits = (uint32_t)x[i] << 16, size = bits & 0x7fffffffu;
    largest = size > largest ? size : largest;
    y[i] = float_of(bits);
  }
  return largest;
}

TINCTURE_KERNEL uint32_t tincture_difference_bf16(
    const uint16_t *restrict x, const float *restrict base, float *restrict y, size_t n) {
  uint32_t largest = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t bits = (uint32_t)x[i] << 16, size = bits & 0x7fffffffu;
    largest = size > largest ? size : largest;
    y[i] = float_of(bits) - base[i];
  }
  return largest;
}

TINCTURE_KERNEL uint32_t tincture_widen_f16(const uint16_t *x, float *y, size_t n) {
  uint32_t largest = 0;
  for (size_t i = 0; i < n; i++) {
    float value = float_of_f16(x[i]);
    uint32_t size = magnitude_of(value);
    largest = size > largest ? size : largest;
    y[i] = value;
  }
  return largest;
}

TINCTURE_KERNEL uint32_t tincture_widen_f32(const float *x, float *y, size_t n) {
  uint32_t largest = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t size = magnitude_of(x[i]);
    largest = size > largest ? size : largest;
    y[i] = x[i];
  }
  return largest;
}

TINCTURE_KERNEL uint32_t tincture_widen_f64(const double *x, float *y, size_t n) {
  uint32_t largest = 0;
  for (size_t i = 0; i < n; i++) {
    float value = (float)x[i];
    uint32_t size = magnitude_of(value);
    largest = size > largest ? size : largest;
    y[i] = value;
  }
  return largest;
}

// An eight-bit float with the given mantissa width: sign, exponent, mantissa.
TINCTURE_INLINE float small_float(uint8_t code, int mantissa, int bias) {
  int exponent = (code & 0x7f) >> mantissa, fraction = code & ((1 << mantissa) - 1);
  float value;
  if (exponent == 0) {
    value = (float)fraction * float_of((uint32_t)(127 + 1 - bias - mantissa) << 23);
  } else {
    value = float_of(((uint32_t)(exponent - bias + 127) << 23) | ((uint32_t)fraction << (23 - mantissa)));
  }
  return code & 0x80 ? -value : value;
}

uint32_t tincture_widen_f8e4m3(const uint8_t *x, float *y, size_t n) {
  uint32_t largest = 0;
  for (size_t i = 0; i < n; i++) {
    y[i] = (x[i] & 0x7f) == 0x7f ? float_of(0x7fc00000u) : small_float(x[i], 3, 7);
    uint32_t size = magnitude_of(y[i]);
    largest = size > largest ? size : largest;
  }
  return largest;
}

uint32_t tincture_widen_f8e5m2(const uint8_t *x, float *y, size_t n) {
  uint32_t largest = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t size = x[i] & 0x7fu;
    if (size > 0x7c) {
      y[i] = float_of(0x7fc00000u);
    } else if (size == 0x7c) {
      y[i] = float_of(0x7f800000u | (uint32_t)(x[i] & 0x80) << 24);
    } else {
      y[i] = small_float(x[i], 2, 15);
    }
    size = magnitude_of(y[i]);
    largest = size > largest ? size : largest;
  }
  return largest;
}

TINCTURE_KERNEL void tincture_narrow_bf16(const float *x, uint16_t *y, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t bits = bits_of(x[i]);
    uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    uint32_t quiet = (bits >> 16) | 0x40u;
    y[i] = (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
  }
}

TINCTURE_KERNEL void tincture_narrow_f16(const float *x, uint16_t *y, size_t n) {
  for (size_t i = 0; i < n; i++) {
    _Float16 half = (_Float16)x[i];
    memcpy(y + i, &half, sizeof half);
  }
}

TINCTURE_KERNEL void tincture_narrow_f64(const float *x, double *y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = (double)x[i];
}

// Rounds a finite magnitude to an eight-bit float's code without its sign; may exceed the top code.
TINCTURE_INLINE uint32_t small_code(uint32_t size, int mantissa, int bias) {
  int exponent = (int)(size >> 23) - 127, shift = 23 - mantissa;
  if (exponent < 1 - bias) {
    // Below the normal range: count units of the smallest step, adding the hidden bit by a float sum
    // that rounds to nearest even.
    float step = float_of((uint32_t)(127 + 1 - bias - mantissa + 23) << 23);
    return bits_of(float_of(size) + step) - bits_of(step);
  }
  uint32_t rounded = size + ((1u << (shift - 1)) - 1) + ((size >> shift) & 1u);
  return (rounded >> shift) - ((uint32_t)(127 - bias) << mantissa);
}

void tincture_narrow_f8e4m3(const float *x, uint8_t *y, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t bits = bits_of(x[i]), size = bits & 0x7fffffffu;
    uint32_t code = size >= 0x7f800000u ? 0x7f : small_code(size, 3, 7);
    y[i] = (uint8_t)((code > 0x7e ? 0x7f : code) | ((bits >> 24) & 0x80u));
  }
}

void tincture_narrow_f8e5m2(const float *x, uint8_t *y, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t bits = bits_of(x[i]), size = bits & 0x7fffffffu;
    uint32_t code = size > 0x7f800000u ? 0x7f : size == 0x7f800000u ? 0x7c : small_code(size, 2, 15);
    if (size < 0x7f800000u && code > 0x7c) code = 0x7c;
    y[i] = (uint8_t)(code | ((bits >> 24) & 0x80u));
  }
}

int tincture_instruction_set(void) {
#if defined(__x86_64__) && defined(__GLIBC__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return 4;
  return __builtin_cpu_supports("x86-64-v3") ? 3 : 1;
#else
  return 0;
#endif
}

int tincture_is_optimized(void) {
#ifdef __OPTIMIZE__
  return 1;
#else
  return 0;
#endif
}

int tincture_is_amd_512(void) {
#if defined(__x86_64__) && defined(__GLIBC__)
  __builtin_cpu_init();
  return __builtin_cpu_is("amd") && __builtin_cpu_supports("x86-64-v4");
#else
  return 0;
#endif
}
