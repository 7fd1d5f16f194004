// What the portable and the AVX-512 version of ranked dropping share. Not public.
#ifndef TINCTURE_RANK_H
#define TINCTURE_RANK_H

#include "kernel.h"

// A row's elements fall into buckets that sort like their magnitudes. The buckets' sizes bound every
// rank, and most decisions need no more than that. Even buckets hold a single magnitude, so that the
// coarse steps of 16-bit checkpoints, which many elements share, cost no search.
typedef struct {
  uint64_t *keys;      // magnitude and index, for sorting
  uint32_t *first;     // first[b]: rank of the bucket's first member; first[b + 1]: of the one after it
  uint32_t *counts;    // by bucket: of the row's first half, then of its second
  uint32_t *list;      // the elements whose rank matters, in order; AVX-512 adds their buckets
  uint32_t *open;      // those of them that the bounds do not decide
  uint32_t *limit;     // the ranks up to which these go
  uint32_t *order;     // elements by bucket
  uint32_t *rank;
  uint16_t *bucket;    // of every element
  uint16_t *earlier;   // for every element: members of its bucket before it in its half
  uint16_t *narrow;    // first, in half the bytes
  uint8_t *bits;       // set for elements that stay
  uint8_t *listed;     // set for listed elements
  uint8_t *decided;    // for each listed element in turn: set when it stays
} rank_memory;

// How probabilities become ranks: an element with the number u stays from the rank (u - base) / step on.
typedef struct {
  uint64_t key, start;
  uint64_t always, never;  // numbers below the one always stay, from the other on never
  double base, inverse_step;
} rank_rule;

// The buckets: magnitudes times `scale`, a power of two. Whole numbers q below `top` are bucket 2 q,
// what lies above them 2 q + 1, everything from `top` on 2 top + 1. A scale of zero stands for
// exponents, when the magnitudes have no usable mean.
typedef struct {
  float scale, top;
  size_t used;
} rank_grid;

enum { rank_most_buckets = 2048, rank_table = rank_most_buckets + 32 };

TINCTURE_INLINE void rank_keep(uint8_t *bits, uint32_t index) {
  bits[index / 8] |= (uint8_t)(1u << (index % 8));
}

// The rank up to which an element goes.
TINCTURE_INLINE uint32_t rank_limit(const rank_rule *rule, uint32_t index) {
  uint64_t z = counter_number(rule->key, rule->start + index);
  return (uint32_t)(((double)(z >> 11) * 0x1p-53 - rule->base) * rule->inverse_step);
}

// Counts the members of the buckets, by halves of the row, and notes how many come before each, which
// makes sense in rows shorter than 65,536 elements.
void tincture_rank_count(size_t n, size_t used, const rank_memory *memory);

// Decides a row shorter than 65,536 elements by the buckets' bounds; returns how many stay open. Needs
// AVX-512 and a grid that is not of exponents.
size_t tincture_rank_decide_512(
    const rank_rule *rule, const rank_grid *grid, const float *x, size_t n,
    const rank_memory *memory);

// Decides the open elements of even buckets, whose members differ by their index only; returns how many
// elements of other buckets there are, which move to the front.
size_t tincture_rank_decide_ties_512(size_t n, const rank_memory *memory, size_t open);

#endif
