// What the portable and the AVX-512 version of ranked dropping share. Not public.
#ifndef TINCTURE_RANK_H
#define TINCTURE_RANK_H

#include "kernel.h"

// An element is to stay with probability low + 2 spread r / (n - 1) when r of the n - 1 others are
// smaller. One of the others, picked at random, is smaller with probability r / (n - 1), so nobody has
// to know r: a number below `low` stays, one from low + 2 spread on goes, and one between them is at
// once the place, spread evenly over the others, of the element to be compared with.
typedef struct {
  uint64_t key, start;
  uint32_t always, never;  // low and low + 2 spread as numbers of 32 bits
  double share;            // others for each number between them
} rank_rule;

// The same decisions as the portable version, sixteen at a time; for rows shorter than 2^31 elements.
void tincture_rank_mask_512(const rank_rule *rule, const float *x, size_t n, uint8_t *bits);

#endif
