// Random dropping whose probability follows the rank of a magnitude in its row.
#include "rank.h"

#include <math.h>
#include <stdlib.h>

enum { few_open = 24 };

size_t tincture_rank_scratch(size_t n) {
  size_t words = 3 * rank_table + 3 * (n + 16) + 2 * n;
  return n + words / 2 + (2 * n + 16 + rank_table) / 4 + 3 * (n / 8 + 64) / 8 + 4;
}

static rank_memory divided(uint64_t *scratch, size_t n) {
  rank_memory memory;
  memory.keys = scratch;
  memory.first = (uint32_t *)(memory.keys + n);
  memory.counts = memory.first + rank_table;
  memory.list = memory.counts + 2 * rank_table;
  memory.open = memory.list + n + 16;
  memory.limit = memory.open + n + 16;
  memory.order = memory.limit + n + 16;
  memory.rank = memory.order + n;
  memory.bucket = (uint16_t *)(memory.rank + n);
  memory.earlier = memory.bucket + n + 16;
  memory.narrow = memory.earlier + n;
  memory.bits = (uint8_t *)(memory.narrow + rank_table);
  memory.listed = memory.bits + n / 8 + 64;
  memory.decided = memory.listed + n / 8 + 64;
  return memory;
}

static uint64_t number_of(double probability) {
  double scaled = probability * 0x1p53;
  if (!(scaled > 0.0)) return 0;
  if (scaled >= 0x1p53) return UINT64_MAX;
  return (uint64_t)ceil(scaled) << 11;
}

static rank_rule rule_of(uint64_t key, uint64_t start, double low, double spread, size_t n) {
  double base = n > 1 ? low : low + spread, step = n > 1 ? 2.0 * spread / (double)(n - 1) : 0.0;
  rank_rule rule = {key, start, number_of(base), number_of(base + step * (double)(n - 1)), base, 0.0};
  if (step > 0.0) rule.inverse_step = 1.0 / step;
  return rule;
}

// About two buckets for an element, spread evenly over five to ten times the mean.
static rank_grid grid_of(double mean, size_t n) {
  size_t top = 32;
  while (top < rank_most_buckets / 2 && top < n / 4) top *= 2;
  rank_grid grid = {0.0f, (float)(top - 1), 2 * top};
  if (mean > 1e-30 && mean < 1e30) {
    grid.scale = (float)exp2(floor(log2((double)(top - 1) / (5.0 * mean))));
  } else {
    grid.used = rank_most_buckets;
  }
  return grid;
}

// ---- deciding by bounds ---------------------------------------------------------------------------

TINCTURE_KERNEL static void find_buckets(
    const rank_grid *grid, const float *restrict x, uint16_t *restrict bucket, size_t n) {
  float scale = grid->scale, top = grid->top;
  for (size_t i = 0; i < n; i++) {
    float place = float_of(magnitude_of(x[i])) * scale;
    float inside = place < top ? place : top;
    int32_t whole = (int32_t)inside;
    // Subnormal numbers may vanish in the product; they are not the zeros of bucket 0.
    int vanished = place == 0.0f && magnitude_of(x[i]) != 0;
    bucket[i] = (uint16_t)(2 * whole + (place >= top || inside != (float)whole || vanished));
  }
}

TINCTURE_KERNEL static void find_exponents(const float *restrict x, uint16_t *restrict bucket, size_t n) {
  for (size_t i = 0; i < n; i++) bucket[i] = (uint16_t)(2 * (magnitude_of(x[i]) >> 21) + 1);
}

void tincture_rank_count(size_t n, size_t used, const rank_memory *memory) {
  uint32_t *low = memory->counts, *high = low + rank_table;
  uint16_t *earlier = memory->earlier;
  const uint16_t *bucket = memory->bucket;
  size_t half = n / 2;
  memset(low, 0, used * sizeof *low);
  memset(high, 0, used * sizeof *high);
  for (size_t i = 0; i < half; i++) {
    uint32_t a = bucket[i], b = bucket[half + i];
    uint32_t before_a = low[a], before_b = high[b];
    earlier[i] = (uint16_t)before_a;
    earlier[half + i] = (uint16_t)before_b;
    low[a] = before_a + 1;
    high[b] = before_b + 1;
  }
  if (n % 2) earlier[n - 1] = (uint16_t)high[bucket[n - 1]]++;
}

static void first_ranks(const uint32_t *counts, size_t used, uint32_t *first) {
  uint32_t rank = 0;
  for (size_t b = 0; b < used; b++) {
    first[b] = rank;
    rank += counts[b] + counts[rank_table + b];
  }
  first[used] = rank;
}

// Sets the bits of the elements that stay at any rank; lists those for which it matters. Zeros are none
// of them: dropping them changes nothing.
static size_t classify(const rank_rule *rule, const float *x, size_t n, const rank_memory *memory) {
  size_t count = 0;
  memset(memory->bits, 0, (n + 7) / 8);
  for (size_t i = 0; i < n; i++) {
    uint64_t z = counter_number(rule->key, rule->start + i);
    memory->bits[i / 8] |= (uint8_t)((z < rule->always) << (i % 8));
    memory->list[count] = (uint32_t)i;
    count += z >= rule->always && z < rule->never && magnitude_of(x[i]) != 0;
  }
  return count;
}

static size_t decide_any(
    const rank_rule *rule, const rank_grid *grid, const float *x, size_t n,
    const rank_memory *memory) {
  size_t count = classify(rule, x, n, memory), open = 0;
  if (count == 0) return 0;
  if (grid->scale > 0.0f) {
    find_buckets(grid, x, memory->bucket, n);
  } else {
    find_exponents(x, memory->bucket, n);
  }
  tincture_rank_count(n, grid->used, memory);
  first_ranks(memory->counts, grid->used, memory->first);
  for (size_t k = 0; k < count; k++) {
    uint32_t index = memory->list[k], b = memory->bucket[index], limit = rank_limit(rule, index);
    memory->open[open] = index;
    memory->limit[open] = limit;
    open += memory->first[b] <= limit && memory->first[b + 1] > limit + 1;
    if (memory->first[b] > limit) rank_keep(memory->bits, index);
  }
  return open;
}

// ---- deciding by ranks ----------------------------------------------------------------------------

// The position of element i among the row's magnitudes, counted from zero, ties by index.
TINCTURE_KERNEL static uint32_t exact_rank(const float *x, size_t n, size_t i) {
  uint32_t size = magnitude_of(x[i]), rank = 0;
  for (size_t j = 0; j < i; j++) rank += magnitude_of(x[j]) <= size;
  for (size_t j = i + 1; j < n; j++) rank += magnitude_of(x[j]) < size;
  return rank;
}

static int compare_keys(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

// Orders the members of a bucket and notes their ranks.
static void rank_members(const float *x, const rank_memory *memory, uint32_t begin, uint32_t end) {
  uint64_t *keys = memory->keys;
  size_t count = end - begin;
  for (size_t k = 0; k < count; k++) {
    uint32_t i = memory->order[begin + k];
    keys[k] = (uint64_t)magnitude_of(x[i]) << 32 | i;
  }
  qsort(keys, count, sizeof *keys, compare_keys);
  for (size_t k = 0; k < count; k++) memory->rank[(uint32_t)keys[k]] = begin + (uint32_t)k;
}

// Ranks of the first `open` open elements by sorting their buckets.
static void rank_open(
    const float *x, size_t n, const rank_memory *memory, size_t used, size_t open) {
  uint32_t *next = memory->counts, *ranked = memory->counts + rank_table;
  memcpy(next, memory->first, used * sizeof *next);
  memset(ranked, 0, used * sizeof *ranked);
  for (size_t i = 0; i < n; i++) memory->order[next[memory->bucket[i]]++] = (uint32_t)i;
  for (size_t k = 0; k < open; k++) {
    uint32_t b = memory->bucket[memory->open[k]];
    if (!ranked[b]) rank_members(x, memory, memory->first[b], memory->first[b + 1]);
    ranked[b] = 1;
  }
}

// Decides the open elements of even buckets, whose members differ by their index only; returns how
// many others there are, which move to the front.
static size_t decide_even(size_t n, const rank_memory *memory, size_t open) {
  size_t others = 0, half = n / 2;
  for (size_t k = 0; k < open; k++) {
    uint32_t index = memory->open[k], limit = memory->limit[k], b = memory->bucket[index];
    uint32_t rank = memory->first[b] + memory->earlier[index] + (index < half ? 0 : memory->counts[b]);
    memory->open[others] = index;
    memory->limit[others] = limit;
    others += b & 1;
    memory->bits[index / 8] |= (uint8_t)((!(b & 1) && rank > limit) << (index % 8));
  }
  return others;
}

void tincture_rank_mask(
    uint64_t key, uint64_t start, double low, double spread, double mean, const float *x, size_t n,
    uint8_t *bits, uint64_t *scratch) {
  if (n == 0) return;
  rank_memory memory = divided(scratch, n);
  rank_rule rule = rule_of(key, start, low, spread, n);
  rank_grid grid = grid_of(mean, n);
  int wide = 0;
#ifdef TINCTURE_AVX512
  wide = n < 65536 && grid.scale > 0.0f && __builtin_cpu_supports("x86-64-v4");
#endif
  size_t open = wide ? tincture_rank_decide_512(&rule, &grid, x, n, &memory)
                     : decide_any(&rule, &grid, x, n, &memory);
  if (n < 65536 && !wide) open = decide_even(n, &memory, open);
  if (open > few_open) {
    for (size_t b = 0; wide && b <= grid.used; b++) memory.first[b] = memory.narrow[b];
    rank_open(x, n, &memory, grid.used, open);
  }
  for (size_t k = 0; k < open; k++) {
    uint32_t index = memory.open[k];
    uint32_t rank = open > few_open ? memory.rank[index] : exact_rank(x, n, index);
    if (rank > memory.limit[k]) rank_keep(memory.bits, index);
  }
  memcpy(bits, memory.bits, (n + 7) / 8);
}
