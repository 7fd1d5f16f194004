// Gram matrices: mirrored, shrunk, summed up and subtracted in one pass over the memory.
#include "kernel.h"

enum { side = 16 };
typedef float float16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t int16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef double double16 __attribute__((vector_size(128), aligned(8), may_alias));

typedef struct {
  float *x;
  size_t n;
  float half;
  double *sum;
  double factor;
  const float *reference;
} symmetric_task;

// A stage of a transposition exchanges, for rows and lanes without a bit, the lane with it of the one
// row and the lane without it of the row with it.
#define LANE_OF_LOWER(l, s) ((l) & (s) ? 16 + ((l) ^ (s)) : (l))
#define LANE_OF_UPPER(l, s) ((l) & (s) ? 16 + (l) : ((l) | (s)))
#define LANES(F, s) \
  F(0, s), F(1, s), F(2, s), F(3, s), F(4, s), F(5, s), F(6, s), F(7, s), F(8, s), F(9, s), \
      F(10, s), F(11, s), F(12, s), F(13, s), F(14, s), F(15, s)
#define STAGE(rows, s) \
  for (int i = 0; i < side; i++) { \
    if (i & (s)) continue; \
    float16 lower = rows[i], upper = rows[i | (s)]; \
    rows[i] = __builtin_shufflevector(lower, upper, LANES(LANE_OF_LOWER, s)); \
    rows[i | (s)] = __builtin_shufflevector(lower, upper, LANES(LANE_OF_UPPER, s)); \
  }

TINCTURE_INLINE void transpose(float16 *rows) {
  STAGE(rows, 8)
  STAGE(rows, 4)
  STAGE(rows, 2)
  STAGE(rows, 1)
}

// Sixteen rows and columns at a time; `worst` are the largest differences so far.
TINCTURE_INLINE void whole_block(
    const symmetric_task *task, size_t top, size_t left, float16 *worst) {
  float16 rows[side];
  float *x = task->x;
  size_t n = task->n;
  for (size_t j = 0; j < side; j++) rows[j] = *(const float16 *)(x + (left + j) * n + top);
  transpose(rows);
  for (size_t i = 0; i < side; i++) {
    size_t place = (top + i) * n + left;
    float16 own = *(const float16 *)(x + place), mean = task->half * (own + rows[i]);
    float16 difference = (float16)((int16)(own - rows[i]) & 0x7fffffff);
    int16 choice = difference > *worst;
    *worst = (float16)(((int16)difference & choice) | ((int16)*worst & ~choice));
    if (top == left) mean[i] = own[i];
    if (task->sum) {
      *(double16 *)(task->sum + place) += task->factor * __builtin_convertvector(mean, double16);
    }
    if (task->reference) mean -= *(const float16 *)(task->reference + place);
    rows[i] = mean;
    *(float16 *)(x + place) = mean;
  }
  if (top == left) return;
  transpose(rows);
  for (size_t j = 0; j < side; j++) *(float16 *)(x + (left + j) * n + top) = rows[j];
}

// What is left at the end of rows.
static float edge(const symmetric_task *task, size_t top, size_t left) {
  float *x = task->x, worst = 0.0f;
  size_t n = task->n;
  for (size_t i = top; i < n && i < top + side; i++) {
    for (size_t j = left; j <= i && j < left + side; j++) {
      size_t place = i * n + j, mirrored = j * n + i;
      float difference = float_of(magnitude_of(x[place] - x[mirrored]));
      float mean = i == j ? x[place] : task->half * (x[place] + x[mirrored]);
      if (difference > worst) worst = difference;
      if (task->sum) task->sum[place] += task->factor * (double)mean;
      if (task->reference) mean -= task->reference[place];
      x[place] = x[mirrored] = mean;
    }
  }
  return worst;
}

TINCTURE_KERNEL float tincture_symmetrize(
    float *x, size_t n, float ratio, double *sum, double factor, const float *reference) {
  symmetric_task task = {x, n, ratio / 2.0f, sum, factor, reference};
  float16 widest = {0};
  float worst = 0.0f;
  for (size_t top = 0; top < n; top += side) {
    for (size_t left = 0; left <= top; left += side) {
      if (top + side <= n) {
        whole_block(&task, top, left, &widest);
      } else {
        float difference = edge(&task, top, left);
        if (difference > worst) worst = difference;
      }
    }
  }
  for (int l = 0; l < side; l++) {
    if (widest[l] > worst) worst = widest[l];
  }
  return worst;
}
