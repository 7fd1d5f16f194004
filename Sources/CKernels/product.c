// Products of matrices in single precision for the layers of networks. With AVX-512 multiplications and additions are
// fused; the order of a sum depends on its length only.
#include "kernel.h"

#ifdef TINCTURE_AVX512

// A tile of the product is held in registers, two vectors for each of its rows. Blocks of both factors are copied so
// that a tile reads them in turn: those of the right one lie in the first cache, those of the left one in the second.
enum { lanes = 16, tile_rows = 14, tile_columns = 2 * lanes };
enum { depth = 256, block_rows = 32 * tile_rows, ahead = 4 };

typedef struct {
  float left[block_rows * depth] __attribute__((aligned(64)));
  float right[depth * tile_columns] __attribute__((aligned(64)));
} product_blocks;

TINCTURE_INLINE size_t at_most(size_t n, size_t limit) { return n < limit ? n : limit; }

// Sixteen vectors as columns of what they were rows of.
TINCTURE_AVX512 static inline void transpose(__m512 *r) {
  __m512 t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
    r[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
    r[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    r[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  for (int i = 0; i < 16; i += 8) {
    for (int j = 0; j < 4; j++) {
      t[i + j] = _mm512_shuffle_f32x4(r[i + j], r[i + j + 4], 0x88);
      t[i + j + 4] = _mm512_shuffle_f32x4(r[i + j], r[i + j + 4], 0xdd);
    }
  }
  for (int j = 0; j < 8; j++) {
    r[j] = _mm512_shuffle_f32x4(t[j], t[j + 8], 0x88);
    r[j + 8] = _mm512_shuffle_f32x4(t[j], t[j + 8], 0xdd);
  }
}

static inline __mmask16 first_of(size_t count) {
  return count < lanes ? (__mmask16)((1u << count) - 1) : 0xffff;
}

// Copies `count` lines of `length` numbers, `line` apart, so that the numbers of all lines at one place follow each
// other, `width` of them, zeros behind the last.
TINCTURE_AVX512 static inline void interleave(
    const float *x, size_t line, size_t count, size_t length, size_t width, float *y) {
  for (size_t i = 0; i < width; i += lanes) {
    size_t lines = i < count ? at_most(count - i, lanes) : 0;
    __mmask16 kept = first_of(width - i);
    for (size_t p = 0; p < length; p += lanes) {
      __mmask16 valid = first_of(length - p);
      __m512 r[16];
      for (size_t j = 0; j < lines; j++) __builtin_prefetch(x + (i + j) * line + p + ahead * lanes);
      for (size_t j = 0; j < 16; j++) {
        r[j] = _mm512_maskz_loadu_ps(j < lines ? valid : 0, x + (i + (j < lines ? j : 0)) * line + p);
      }
      transpose(r);
      size_t steps = at_most(length - p, lanes);
      for (size_t j = 0; j < 16; j++) {
        if (j < steps) _mm512_mask_storeu_ps(y + (p + j) * width + i, kept, r[j]);
      }
    }
  }
}

// The same for numbers of all lines at one place that follow each other already, places `place` apart.
TINCTURE_AVX512 static inline void gather(
    const float *x, size_t place, size_t count, size_t length, size_t width, float *y) {
  for (size_t p = 0; p < length; p++) {
    for (size_t i = 0; i < width; i += lanes) {
      __mmask16 valid = i < count ? first_of(count - i) : 0;
      __builtin_prefetch(x + (p + 4 * ahead) * place + i);
      __m512 v = _mm512_maskz_loadu_ps(valid, x + p * place + i);
      _mm512_mask_storeu_ps(y + p * width + i, first_of(width - i), v);
    }
  }
}

TINCTURE_AVX512 static inline void pack(
    const float *x, size_t line, size_t place, size_t count, size_t length, size_t width,
    float *y) {
  if (line == 1 && place != 1) {
    gather(x, place, count, length, width, y);
  } else {
    interleave(x, line, count, length, width, y);
  }
}

// One tile: z = left · right, or z + left · right.
TINCTURE_AVX512 static void tile(
    const float *left, const float *right, size_t steps, const float *bias, int adds, float *z,
    size_t z_row, size_t rows, size_t columns) {
  __m512 sum[tile_rows][2];
#pragma clang loop unroll(full)
  for (size_t i = 0; i < tile_rows; i++) sum[i][0] = sum[i][1] = _mm512_setzero_ps();
  for (size_t p = 0; p < steps; p++) {
    __m512 first = _mm512_load_ps(right), second = _mm512_load_ps(right + lanes);
#pragma clang loop unroll(full)
    for (size_t i = 0; i < tile_rows; i++) {
      __m512 x = _mm512_set1_ps(left[i]);
      sum[i][0] = _mm512_fmadd_ps(x, first, sum[i][0]);
      sum[i][1] = _mm512_fmadd_ps(x, second, sum[i][1]);
    }
    left += tile_rows;
    right += tile_columns;
  }
  __mmask16 low = first_of(columns), high = columns > lanes ? first_of(columns - lanes) : 0;
  __m512 origin[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  if (bias) {
    origin[0] = _mm512_maskz_loadu_ps(low, bias);
    origin[1] = _mm512_maskz_loadu_ps(high, bias + lanes);
  }
#pragma clang loop unroll(full)
  for (size_t i = 0; i < tile_rows; i++) {
    if (i < rows) {
      float *y = z + i * z_row;
      __m512 a = adds ? _mm512_maskz_loadu_ps(low, y) : origin[0];
      __m512 b = adds ? _mm512_maskz_loadu_ps(high, y + lanes) : origin[1];
      _mm512_mask_storeu_ps(y, low, _mm512_add_ps(a, sum[i][0]));
      _mm512_mask_storeu_ps(y + lanes, high, _mm512_add_ps(b, sum[i][1]));
    }
  }
}

TINCTURE_AVX512 static void product512(
    const float *x, size_t x_row, size_t x_column, const float *y, size_t y_row, size_t y_column,
    const float *bias, float *z, size_t z_row, size_t rows, size_t columns, size_t inner) {
  product_blocks blocks;
  for (size_t p = 0; p < inner; p += depth) {
    size_t steps = at_most(inner - p, depth);
    for (size_t i = 0; i < rows; i += block_rows) {
      size_t height = at_most(rows - i, block_rows);
      for (size_t r = 0; r < height; r += tile_rows) {
        const float *from = x + (i + r) * x_row + p * x_column;
        size_t count = at_most(height - r, tile_rows);
        pack(from, x_row, x_column, count, steps, tile_rows, blocks.left + r * steps);
      }
      for (size_t j = 0; j < columns; j += tile_columns) {
        size_t width = at_most(columns - j, tile_columns);
        const float *from = y + p * y_row + j * y_column;
        pack(from, y_column, y_row, width, steps, tile_columns, blocks.right);
        for (size_t r = 0; r < height; r += tile_rows) {
          tile(
              blocks.left + r * steps, blocks.right, steps, bias ? bias + j : 0, p > 0,
              z + (i + r) * z_row + j, z_row, at_most(height - r, tile_rows), width);
        }
      }
    }
  }
}
#endif

// Without AVX-512 the linear layers of networks go elsewhere; this is for whoever asks nevertheless.
TINCTURE_KERNEL static void product(
    const float *x, size_t x_row, size_t x_column, const float *y, size_t y_row, size_t y_column,
    const float *bias, float *z, size_t z_row, size_t rows, size_t columns, size_t inner) {
  for (size_t i = 0; i < rows; i++) {
    float *to = z + i * z_row;
    for (size_t j = 0; j < columns; j++) to[j] = bias ? bias[j] : 0.0f;
    for (size_t p = 0; p < inner; p++) {
      float factor = x[i * x_row + p * x_column];
      const float *from = y + p * y_row;
      for (size_t j = 0; j < columns; j++) to[j] += factor * from[j * y_column];
    }
  }
}

void tincture_product(
    const float *x, size_t x_row, size_t x_column, const float *y, size_t y_row, size_t y_column,
    const float *bias, float *z, size_t z_row, size_t rows, size_t columns, size_t inner) {
#ifdef TINCTURE_AVX512
  if (inner && __builtin_cpu_supports("x86-64-v4")) {
    product512(
        x, x_row, x_column, y, y_row, y_column, bias, z, z_row, rows, columns, inner);
    return;
  }
#endif
  product(x, x_row, x_column, y, y_row, y_column, bias, z, z_row, rows, columns, inner);
}

TINCTURE_KERNEL void tincture_column_sums(
    const float *x, size_t row, size_t rows, size_t columns, float *y) {
  enum { strip = 64, width = 64 };
  for (size_t j = 0; j < columns; j += width) {
    size_t count = columns - j < width ? columns - j : width;
    float sums[width] = {0};
    for (size_t i = 0; i < rows; i += strip) {
      size_t end = rows - i < strip ? rows : i + strip;
      float part[width] = {0};
      for (size_t r = i; r < end; r++) {
        for (size_t c = 0; c < count; c++) part[c] += x[r * row + j + c];
      }
      for (size_t c = 0; c < count; c++) sums[c] += part[c];
    }
    for (size_t c = 0; c < count; c++) y[j + c] = sums[c];
  }
}
