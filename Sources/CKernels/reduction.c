// What makes a symmetric matrix tridiagonal: products with parts of its upper triangle, and sums over several vectors.
#include <sched.h>

#include "kernel.h"

typedef double eight __attribute__((vector_size(64), aligned(8), may_alias));
enum { lanes = 8, group = 8 };

TINCTURE_KERNEL void tincture_triangle_product(
    const double *a, size_t row, size_t n, size_t first, size_t end, const double *x, double *y) {
  memset(y + first, 0, (n - first) * sizeof *y);
  size_t i = first;
  for (; i + group <= end; i += group) {
    // The triangle at the diagonal.
    for (size_t r = i; r < i + group; r++) {
      y[r] += a[r * row + r] * x[r];
      for (size_t c = r + 1; c < i + group; c++) {
        y[c] += a[r * row + c] * x[r];
        y[r] += a[r * row + c] * x[c];
      }
    }
    eight sums[group] = {{0}};
    const double *from = a + i * row;
    size_t j = i + group;
    for (; j + lanes <= n; j += lanes) {
      eight part = *(const eight *)(x + j), total = *(const eight *)(y + j);
      for (size_t r = 0; r < group; r++) {
        eight element = *(const eight *)(from + r * row + j);
        total += x[i + r] * element;
        sums[r] += element * part;
      }
      *(eight *)(y + j) = total;
    }
    for (size_t r = 0; r < group; r++) {
      eight s = sums[r];
      y[i + r] += ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
      for (size_t c = j; c < n; c++) {
        y[c] += from[r * row + c] * x[i + r];
        y[i + r] += from[r * row + c] * x[c];
      }
    }
  }
  for (; i < end; i++) {
    y[i] += a[i * row + i] * x[i];
    double sum = 0;
    for (size_t j = i + 1; j < n; j++) {
      y[j] += a[i * row + j] * x[i];
      sum += a[i * row + j] * x[j];
    }
    y[i] += sum;
  }
}

TINCTURE_KERNEL void tincture_inner_products(
    const double *v, size_t row, size_t count, const double *x, size_t n, double *products) {
  for (size_t k = 0; k < count; k += 4) {
    // Beyond the last vector the last one is taken again.
    const double *from[4];
    for (size_t r = 0; r < 4; r++) from[r] = v + (k + r < count ? k + r : count - 1) * row;
    eight sums[4] = {{0}};
    size_t j = 0;
    for (; j + lanes <= n; j += lanes) {
      eight part = *(const eight *)(x + j);
      for (size_t r = 0; r < 4; r++) sums[r] += *(const eight *)(from[r] + j) * part;
    }
    for (size_t r = 0; r < 4 && k + r < count; r++) {
      eight s = sums[r];
      double sum = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
      for (size_t c = j; c < n; c++) sum += from[r][c] * x[c];
      products[k + r] = sum;
    }
  }
}

TINCTURE_KERNEL void tincture_subtract_combination(
    const double *v, size_t row, size_t count, const double *factors, double *y, size_t n) {
  for (size_t k = 0; k < count; k += 4) {
    const double *from[4];
    double by[4];
    for (size_t r = 0; r < 4; r++) {
      from[r] = v + (k + r < count ? k + r : count - 1) * row;
      by[r] = k + r < count ? factors[k + r] : 0;
    }
    size_t j = 0;
    for (; j + lanes <= n; j += lanes) {
      eight total = *(const eight *)(y + j);
      for (size_t r = 0; r < 4; r++) total -= by[r] * *(const eight *)(from[r] + j);
      *(eight *)(y + j) = total;
    }
    for (; j < n; j++) {
      for (size_t r = 0; r < 4; r++) y[j] -= by[r] * from[r][j];
    }
  }
}

void tincture_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

void tincture_yield(void) { sched_yield(); }
