// Where the few elements lie that a block keeps: Golomb-Rice codes of gaps, or one bit for each element.
#include "kernel.h"

// At least 57 bits from a position on; the eight bytes from there on must be readable.
TINCTURE_INLINE uint64_t bits_from(const uint8_t *bytes, size_t position) {
  uint64_t word;
  memcpy(&word, bytes + position / 8, sizeof word);
  return word >> (position % 8);
}

size_t tincture_read_gaps(
    const uint8_t *bytes, size_t size, int width, uint32_t length, uint32_t *places, size_t n) {
  size_t position = 0, end = size * 8;
  uint64_t mask = (1ull << width) - 1, next = 0;
  for (size_t i = 0; i < n; i++) {
    uint64_t zeros = 0, word = 0;
    for (;;) {
      if (position >= end || zeros << width > length) return SIZE_MAX;
      word = bits_from(bytes, position);
      if (word) break;
      position += 57;
      zeros += 57;
    }
    size_t run = (size_t)__builtin_ctzll(word);
    zeros += run;
    position += run + 1;
    if (position + (size_t)width > end) return SIZE_MAX;
    uint64_t place = next + (zeros << width | (bits_from(bytes, position) & mask));
    if (place >= length) return SIZE_MAX;
    position += (size_t)width;
    places[i] = (uint32_t)place;
    next = place + 1;
  }
  return position;
}

size_t tincture_set_bits(const uint8_t *bits, size_t n, uint32_t *places) {
  size_t count = 0;
  for (size_t start = 0; start < n; start += 64) {
    size_t rest = n - start;
    uint64_t word = 0;
    memcpy(&word, bits + start / 8, rest < 64 ? (rest + 7) / 8 : 8);
    if (rest < 64) word &= (1ull << rest) - 1;
    for (; word; word &= word - 1) {
      places[count++] = (uint32_t)(start + (size_t)__builtin_ctzll(word));
    }
  }
  return count;
}
