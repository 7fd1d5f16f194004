// Codes of a few bits each, packed one after the other, the first in the lowest bits of the first byte.
#include "kernel.h"

// Eight codes fill exactly `bits` bytes. Reads eight bytes wherever a code begins, hence the padding.
enum { octet = 8 };

#define FOR_EACH_WIDTH(CALL)                                     \
  switch (bits) {                                                \
    case 1: CALL(1); break;                                      \
    case 2: CALL(2); break;                                      \
    case 3: CALL(3); break;                                      \
    case 4: CALL(4); break;                                      \
    case 5: CALL(5); break;                                      \
    case 6: CALL(6); break;                                      \
    case 7: CALL(7); break;                                      \
    case 8: CALL(8); break;                                      \
  }

TINCTURE_INLINE uint64_t octet_at(const uint8_t *bytes, size_t place, int bits) {
  uint64_t word;
  memcpy(&word, bytes + place * (size_t)bits, sizeof word);
  return word;
}

TINCTURE_INLINE void unpack_width(
    const uint8_t *bytes, size_t start, int bits, uint8_t *codes, size_t n) {
  uint32_t mask = (1u << bits) - 1;
  size_t i = 0;
  for (; i < n && (start + i) % octet; i++) {
    size_t code = start + i;
    codes[i] = (uint8_t)(octet_at(bytes, code / octet, bits) >> (code % octet * (size_t)bits) & mask);
  }
  for (; i + octet <= n; i += octet) {
    uint64_t word = octet_at(bytes, (start + i) / octet, bits);
    for (size_t j = 0; j < octet; j++) codes[i + j] = (uint8_t)(word >> (j * (size_t)bits) & mask);
  }
  for (size_t j = 0; i < n; i++, j++) {
    codes[i] = (uint8_t)(octet_at(bytes, (start + i) / octet, bits) >> (j * (size_t)bits) & mask);
  }
}

TINCTURE_KERNEL void tincture_unpack(
    const uint8_t *bytes, size_t start, int bits, uint8_t *codes, size_t n) {
#define CALL(WIDTH) unpack_width(bytes, start, WIDTH, codes, n)
  FOR_EACH_WIDTH(CALL)
#undef CALL
}

TINCTURE_INLINE void pack_width(const uint8_t *codes, int bits, uint8_t *bytes, size_t n) {
  for (size_t i = 0; i < n; i += octet) {
    size_t count = n - i < octet ? n - i : octet;
    uint64_t word = 0;
    for (size_t j = 0; j < count; j++) word |= (uint64_t)codes[i + j] << (j * (size_t)bits);
    for (int k = 0; k < bits; k++) bytes[i / octet * (size_t)bits + (size_t)k] = (uint8_t)(word >> (8 * k));
  }
}

TINCTURE_KERNEL void tincture_pack(const uint8_t *codes, int bits, uint8_t *bytes, size_t n) {
#define CALL(WIDTH) pack_width(codes, WIDTH, bytes, n)
  FOR_EACH_WIDTH(CALL)
#undef CALL
}

// The sum and the clamping come before the rounding, which then needs no instruction of its own: adding
// 2^23 to a number below it leaves no room for a fraction.
TINCTURE_KERNEL void tincture_quantize(
    const float *restrict x, float scale, float zero, float top, uint8_t *restrict codes, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float place = scale * x[i] + zero;
    place = place > 0.0f ? place : 0.0f;
    place = place < top ? place : top;
    codes[i] = (uint8_t)(int32_t)((place + 0x1p23f) - 0x1p23f);
  }
}

enum { strip = 512 };

// What a code stands for, in the order of operations that the publication uses.
#define MEANING(code) (((float)(int32_t)(code)-zero) / scale)

#define IN_STRIPS(BODY)                                              \
  uint8_t codes[strip];                                              \
  for (size_t first = 0; first < n; first += strip) {                \
    size_t count = n - first < strip ? n - first : strip;            \
    tincture_unpack(bytes, start + first, bits, codes, count);       \
    BODY                                                             \
  }

TINCTURE_KERNEL static void decode_strip(
    const uint8_t *restrict codes, float scale, float zero, float *restrict y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = MEANING(codes[i]);
}

void tincture_decode(
    const uint8_t *bytes, size_t start, int bits, float scale, float zero, float *y, size_t n) {
  IN_STRIPS(decode_strip(codes, scale, zero, y + first, count);)
}

TINCTURE_KERNEL static void add_strip(
    const uint8_t *restrict codes, float scale, float zero, float a, float *restrict y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = y[i] + a * MEANING(codes[i]);
}

void tincture_decode_add(
    const uint8_t *bytes, size_t start, int bits, float scale, float zero, float a, float *y,
    size_t n) {
  IN_STRIPS(add_strip(codes, scale, zero, a, y + first, count);)
}

TINCTURE_KERNEL static void widen_strip(const uint8_t *restrict codes, float *restrict y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = (float)(int32_t)codes[i];
}

double tincture_code_dot(
    const uint8_t *bytes, size_t start, int bits, const float *g, size_t n) {
  float values[strip];
  double sum = 0;
  IN_STRIPS({
    widen_strip(codes, values, count);
    sum += tincture_dot(g + first, values, count);
  })
  return sum;
}

TINCTURE_KERNEL void tincture_range(const float *x, float *low, float *high, size_t n) {
  float least = *low, most = *high;
  for (size_t i = 0; i < n; i++) {
    least = x[i] < least ? x[i] : least;
    most = x[i] > most ? x[i] : most;
  }
  *low = least;
  *high = most;
}

// The sum of squares of what quantising loses, element by element in double precision.
TINCTURE_KERNEL static void loss_strip(
    const float *restrict x, float scale, float zero, float top, float *restrict loss, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float place = scale * x[i] + zero;
    place = place > 0.0f ? place : 0.0f;
    place = place < top ? place : top;
    loss[i] = x[i] - (((place + 0x1p23f) - 0x1p23f) - zero) / scale;
  }
}

double tincture_quantization_loss(
    const float *x, float scale, float zero, float top, size_t n) {
  float loss[strip];
  double sum = 0;
  for (size_t first = 0; first < n; first += strip) {
    size_t count = n - first < strip ? n - first : strip;
    loss_strip(x + first, scale, zero, top, loss, count);
    sum += tincture_dot(loss, loss, count);
  }
  return sum;
}
