// Deciding elements that tie with others, which only their index tells apart.
#include "rank.h"

#ifdef TINCTURE_AVX512

// How many elements of a range are in a bucket.
TINCTURE_AVX512 static size_t count_equal(
    const uint16_t *bucket, size_t start, size_t end, uint32_t wanted) {
  __m512i own = _mm512_set1_epi16((short)wanted);
  size_t count = 0;
  for (size_t i = start; i < end; i += 32) {
    __mmask32 valid = end - i < 32 ? (1u << (end - i)) - 1 : ~0u;
    __m512i other = _mm512_maskz_loadu_epi16(valid, bucket + i);
    count += (size_t)__builtin_popcount(_mm512_mask_cmpeq_epi16_mask(valid, other, own));
  }
  return count;
}

// The ranks of the members of an even bucket in one quarter of the row.
typedef struct {
  uint32_t first, count;
} rank_range;

static inline size_t quarter_of(uint32_t index, size_t quarter) {
  return (size_t)(index >= quarter) + (index >= 2 * quarter) + (index >= 3 * quarter);
}

static inline rank_range even_range(const rank_memory *memory, size_t q, uint32_t b) {
  const uint16_t *counts = (const uint16_t *)memory->counts + b;
  uint32_t first = memory->narrow[b];
  first += q > 0 ? counts[0] : 0;
  first += q > 1 ? counts[rank_table] : 0;
  first += q > 2 ? counts[2 * rank_table] : 0;
  return (rank_range){first, counts[q * rank_table]};
}

// The rank of an element of an even bucket: counts from the nearer end of its quarter.
static size_t even_rank(size_t n, const rank_memory *memory, uint32_t index, uint32_t b) {
  const uint16_t *bucket = memory->bucket;
  size_t quarter = n / 4, q = quarter_of(index, quarter), start = q * quarter;
  size_t end = q < 3 ? start + quarter : n;
  rank_range range = even_range(memory, q, b);
  if (index - start < end - index) return range.first + count_equal(bucket, start, index, b);
  return range.first + range.count - count_equal(bucket, index, end, b);
}

// First by the ranks of their quarter, which leaves few to count.
size_t tincture_rank_decide_ties_512(size_t n, const rank_memory *memory, size_t open) {
  size_t others = 0, uncounted = 0, quarter = n / 4;
  uint32_t *places = memory->order;
  for (size_t k = 0; k < open; k++) {
    uint32_t index = memory->open[k], limit = memory->limit[k], b = memory->bucket[index];
    rank_range range = even_range(memory, quarter_of(index, quarter), b);
    uint32_t even = ~b & 1, stays = even & (range.first > limit);
    memory->bits[index / 8] |= (uint8_t)(stays << (index % 8));
    places[uncounted] = index;
    memory->rank[uncounted] = limit;
    uncounted += even & !stays & (range.first + range.count > limit + 1);
    memory->open[others] = index;
    memory->limit[others] = limit;
    others += b & 1;
  }
  for (size_t k = 0; k < uncounted; k++) {
    uint32_t index = places[k];
    if (even_rank(n, memory, index, memory->bucket[index]) > memory->rank[k]) {
      rank_keep(memory->bits, index);
    }
  }
  return others;
}

#endif
