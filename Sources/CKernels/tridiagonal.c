// Eigenvalues of symmetric tridiagonal matrices by bisection, and their vectors by inverse iteration, many at a time.
#include "kernel.h"

enum { lanes = 8, several = 4 };
typedef int64_t long8 __attribute__((vector_size(64), aligned(8)));

#define EVERY(value) ((double8){0} + (value))
#define MAGNITUDE(x) ((double8)((long8)(x) & INT64_MAX))
#define CHOSEN(choice, then, otherwise) \
  ((double8)(((long8)(then) & (choice)) | ((long8)(otherwise) & ~(choice))))

// Halves intervals by how many eigenvalues are below the middle: as many as pivots of the shifted matrix are
// negative. A pivot of zero makes the next one infinite; as no square is zero, none becomes undefined.
TINCTURE_KERNEL void tincture_tridiagonal_values(
    size_t n, const double *diagonal, const double *squares, double low, double high, size_t first,
    size_t count, double *values) {
  for (size_t start = 0; start < count; start += several * lanes) {
    double8 lower[several], upper[several];
    long8 wanted[several];
    for (size_t s = 0; s < several; s++) {
      lower[s] = EVERY(low);
      upper[s] = EVERY(high);
      for (size_t l = 0; l < lanes; l++) {
        size_t index = start + s * lanes + l;
        wanted[s][l] = (int64_t)(first + (index < count ? index : count - 1));
      }
    }
    for (int halving = 0; halving < 54; halving++) {
      double8 middle[several], pivot[several];
      long8 below[several];
      for (size_t s = 0; s < several; s++) {
        middle[s] = lower[s] + (upper[s] - lower[s]) * 0.5;
        pivot[s] = EVERY(1);
        below[s] = (long8){0};
      }
      for (size_t i = 0; i < n; i++) {
        for (size_t s = 0; s < several; s++) {
          pivot[s] = (diagonal[i] - middle[s]) - squares[i] / pivot[s];
          below[s] -= pivot[s] < 0;
        }
      }
      for (size_t s = 0; s < several; s++) {
        long8 left = below[s] > wanted[s];
        upper[s] = CHOSEN(left, middle[s], upper[s]);
        lower[s] = CHOSEN(left, lower[s], middle[s]);
      }
    }
    for (size_t s = 0; s < several; s++) {
      for (size_t l = 0; l < lanes; l++) {
        size_t index = start + s * lanes + l;
        if (index < count) values[index] = lower[s][l] + (upper[s][l] - lower[s][l]) * 0.5;
      }
    }
  }
}

// What elimination with row exchanges leaves of a row: the pivot's inverse, the two elements to its right, the
// factor of the row below, and whether that row came first.
typedef struct {
  double8 inverse, right, second, factor;
  long8 exchanged;
} eliminated;

#define AWAY_FROM_ZERO(pivot, least) CHOSEN(MAGNITUDE(pivot) < (least), EVERY(least), pivot)

TINCTURE_INLINE void eliminate(
    size_t n, const double *d, const double *e, const double8 *shifts, double least,
    eliminated *rows) {
  double8 shift = *shifts, pivot = d[0] - shift, right = EVERY(n > 1 ? e[0] : 0);
  for (size_t i = 0; i + 1 < n; i++) {
    double8 own = EVERY(e[i]), below = d[i + 1] - shift;
    double8 after = EVERY(i + 2 < n ? e[i + 1] : 0);
    long8 exchanged = MAGNITUDE(pivot) < MAGNITUDE(own);
    double8 larger = CHOSEN(exchanged, own, pivot), smaller = CHOSEN(exchanged, pivot, own);
    double8 inverse = 1 / AWAY_FROM_ZERO(larger, least), factor = smaller * inverse;
    double8 first = CHOSEN(exchanged, below, right), other = CHOSEN(exchanged, right, below);
    double8 second = (double8)((long8)after & exchanged);
    rows[i] = (eliminated){inverse, first, second, factor, exchanged};
    pivot = other - factor * first;
    right = CHOSEN(exchanged, -factor * after, after);
  }
  rows[n - 1].inverse = 1 / AWAY_FROM_ZERO(pivot, least);
}

TINCTURE_INLINE void solve_lower(size_t n, const eliminated *rows, double8 *x) {
  double8 upper = x[0];
  for (size_t i = 0; i + 1 < n; i++) {
    double8 lower = x[i + 1];
    x[i] = CHOSEN(rows[i].exchanged, lower, upper);
    upper = CHOSEN(rows[i].exchanged, upper, lower) - rows[i].factor * x[i];
  }
  x[n - 1] = upper;
}

TINCTURE_INLINE void solve_upper(
    size_t n, const eliminated *rows, double8 *x, double8 *squared_norms) {
  double8 next = x[n - 1] * rows[n - 1].inverse, second = EVERY(0), sum = next * next;
  x[n - 1] = next;
  for (size_t i = n - 1; i-- > 0;) {
    double8 own = (x[i] - rows[i].right * next - rows[i].second * second) * rows[i].inverse;
    sum += own * own;
    second = next;
    next = x[i] = own;
  }
  *squared_norms = sum;
}

size_t tincture_tridiagonal_scratch(size_t n) {
  return n * (sizeof(eliminated) + sizeof(double8)) / sizeof(double);
}

TINCTURE_KERNEL double tincture_tridiagonal_vectors(
    size_t n, const double *diagonal, const double *beside, double least, size_t first, size_t count,
    const double *values, double *scratch, double *vectors) {
  double8 *x = (double8 *)scratch;
  eliminated *rows = (eliminated *)(scratch + n * lanes);
  double worst = 0;
  for (size_t start = 0; start < count; start += lanes) {
    double8 shift;
    for (size_t l = 0; l < lanes; l++) shift[l] = values[start + l < count ? start + l : count - 1];
    eliminate(n, diagonal, beside, &shift, least, rows);
    for (size_t i = 0; i < n; i++) {
      for (size_t l = 0; l < lanes; l++) {
        x[i][l] = (double)(int64_t)counter_number(first + start + l, i) * 0x1p-63;
      }
    }
    double8 sum = EVERY(0), factor;
    for (int turn = 0; turn < 3; turn++) {
      if (turn > 0) solve_lower(n, rows, x);
      solve_upper(n, rows, x, &sum);
      factor = 1 / __builtin_elementwise_sqrt(sum);
      if (turn < 2) {
        for (size_t i = 0; i < n; i++) x[i] *= factor;
      }
    }
    for (size_t l = 0; l < lanes && start + l < count; l++) {
      if (worst == worst && !(factor[l] <= worst)) worst = factor[l];
      double *own = vectors + (start + l) * n;
      for (size_t i = 0; i < n; i++) own[i] = x[i][l] * factor[l];
    }
  }
  return worst;
}
