// Deciding by the buckets' bounds sixteen elements at a time.
#include "rank.h"

#ifdef TINCTURE_AVX512

static const uint64_t golden = 0x9e3779b97f4a7c15ull;

TINCTURE_AVX512 static inline __m512i mixed(__m512i z) {
  z = _mm512_xor_si512(z, _mm512_srli_epi64(z, 30));
  z = _mm512_mullo_epi64(z, _mm512_set1_epi64((long long)0xbf58476d1ce4e5b9ull));
  z = _mm512_xor_si512(z, _mm512_srli_epi64(z, 27));
  z = _mm512_mullo_epi64(z, _mm512_set1_epi64((long long)0x94d049bb133111ebull));
  return _mm512_xor_si512(z, _mm512_srli_epi64(z, 31));
}

// The states of the elements with these indices.
TINCTURE_AVX512 static inline __m512i states(const rank_rule *rule, __m256i index) {
  __m512i wide = _mm512_mullo_epi64(_mm512_cvtepu32_epi64(index), _mm512_set1_epi64((long long)golden));
  uint64_t origin = rule->key + (rule->start + 1) * golden;
  return _mm512_add_epi64(wide, _mm512_set1_epi64((long long)origin));
}

// Finds buckets, sets the bits of the elements that stay at any rank and lists those for which it may
// matter: of the numbers, only the upper halves are compared.
TINCTURE_AVX512 static size_t classify(
    const rank_rule *rule, const rank_grid *grid, const float *x, size_t n,
    const rank_memory *memory) {
  uint8_t *bits = memory->bits, *marks = memory->listed;
  uint16_t *bucket = memory->bucket;
  uint32_t *list = memory->list, least = (uint32_t)(rule->always >> 32);
  __m512 scale = _mm512_set1_ps(grid->scale), top = _mm512_set1_ps(grid->top + 0.5f);
  __m512i always = _mm512_set1_epi32((int)least);
  __m512i width = _mm512_set1_epi32((int)((uint32_t)(rule->never >> 32) - least));
  __m512i index = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  __m512i upper = _mm512_add_epi32(_mm512_add_epi32(index, index), _mm512_set1_epi32(1));
  __m512i state = states(rule, _mm512_castsi512_si256(index));
  __m512i step = _mm512_set1_epi64((long long)(8 * golden));
  __m512i next = _mm512_add_epi64(state, step);
  step = _mm512_add_epi64(step, step);
  index = _mm512_slli_epi32(index, 16);
  size_t count = 0;
  for (size_t i = 0; i < n; i += 16) {
    __mmask16 valid = n - i < 16 ? (__mmask16)((1u << (n - i)) - 1) : 0xffff;
    __m512 size = _mm512_abs_ps(_mm512_maskz_loadu_ps(valid, x + i));
    // Rounded up, so that no subnormal number becomes one of the zeros, which alone are in bucket 0.
    __m512 place = _mm512_mul_round_ps(size, scale, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
    place = _mm512_min_ps(place, top);
    __m512i number = _mm512_add_epi32(
        _mm512_cvt_roundps_epi32(place, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC),
        _mm512_cvt_roundps_epi32(place, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC));
    _mm256_storeu_si256((__m256i *)(bucket + i), _mm512_cvtepi32_epi16(number));

    __m512i z = _mm512_permutex2var_epi32(mixed(state), upper, mixed(next));
    __mmask16 stays = _mm512_cmplt_epu32_mask(z, always);
    __mmask16 chosen = _mm512_mask_cmple_epu32_mask(
        _mm512_test_epi32_mask(number, number), _mm512_sub_epi32(z, always), width);
    memcpy(bits + i / 8, &stays, 2);
    memcpy(marks + i / 8, &chosen, 2);
    _mm512_storeu_si512(
        list + count, _mm512_maskz_compress_epi32(chosen, _mm512_or_si512(number, index)));
    count += (size_t)__builtin_popcount(chosen);
    state = _mm512_add_epi64(state, step);
    next = _mm512_add_epi64(next, step);
    index = _mm512_add_epi32(index, _mm512_set1_epi32(16 << 16));
  }
  return count;
}

// Counts the members of the buckets in each quarter of the row; the last has what is left over, too.
static void count_quarters(size_t n, size_t used, const rank_memory *memory) {
  const uint16_t *restrict bucket = memory->bucket;
  uint16_t *restrict counts = (uint16_t *)memory->counts;
  size_t quarter = n / 4;
  for (size_t q = 0; q < 4; q++) memset(counts + q * rank_table, 0, used * sizeof *counts);
  for (size_t i = 0; i < quarter; i++) {
    counts[bucket[i]]++;
    counts[rank_table + bucket[quarter + i]]++;
    counts[2 * rank_table + bucket[2 * quarter + i]]++;
    counts[3 * rank_table + bucket[3 * quarter + i]]++;
  }
  for (size_t i = 4 * quarter; i < n; i++) counts[3 * rank_table + bucket[i]]++;
}

// The first ranks of thirty-two buckets at a time.
TINCTURE_AVX512 static void first_ranks(const rank_memory *memory, size_t used) {
  uint16_t *narrow = memory->narrow;
  const uint16_t *counts = (const uint16_t *)memory->counts;
  __m512i before = _mm512_setzero_si512(), zero = before, last = _mm512_set1_epi16(31);
  __m512i ends = _mm512_set1_epi16(0x0f0e);
  for (size_t b = 0; b < used; b += 32) {
    __m512i own = _mm512_add_epi16(
        _mm512_add_epi16(
            _mm512_loadu_si512(counts + b), _mm512_loadu_si512(counts + rank_table + b)),
        _mm512_add_epi16(
            _mm512_loadu_si512(counts + 2 * rank_table + b),
            _mm512_loadu_si512(counts + 3 * rank_table + b)));
    // Sums within eight buckets, then of all eights before.
    __m512i sum = _mm512_add_epi16(own, _mm512_bslli_epi128(own, 2));
    sum = _mm512_add_epi16(sum, _mm512_bslli_epi128(sum, 4));
    sum = _mm512_add_epi16(sum, _mm512_bslli_epi128(sum, 8));
    __m512i eights = _mm512_alignr_epi64(_mm512_shuffle_epi8(sum, ends), zero, 6);
    eights = _mm512_add_epi16(eights, _mm512_alignr_epi64(eights, zero, 6));
    eights = _mm512_add_epi16(eights, _mm512_alignr_epi64(eights, zero, 4));
    sum = _mm512_add_epi16(sum, eights);
    _mm512_storeu_si512(narrow + b, _mm512_add_epi16(before, _mm512_sub_epi16(sum, own)));
    before = _mm512_add_epi16(before, _mm512_permutexvar_epi16(last, sum));
  }
  narrow[used] = (uint16_t)_mm512_cvtsi512_si32(before);
}

// The ranks up to which eight listed elements go: -1 where they always stay, all where they never do.
TINCTURE_AVX512 static inline __m256i limits(const rank_rule *rule, __m256i index) {
  __m512i z = mixed(states(rule, index));
  __m512d u = _mm512_cvtepu64_pd(_mm512_srli_epi64(z, 11));
  u = _mm512_sub_pd(_mm512_mul_pd(u, _mm512_set1_pd(0x1p-53)), _mm512_set1_pd(rule->base));
  __m256i limit = _mm512_cvttpd_epi32(_mm512_mul_pd(u, _mm512_set1_pd(rule->inverse_step)));
  __mmask8 always = _mm512_cmplt_epu64_mask(z, _mm512_set1_epi64((long long)rule->always));
  __mmask8 never = _mm512_cmpge_epu64_mask(z, _mm512_set1_epi64((long long)rule->never));
  limit = _mm256_mask_mov_epi32(limit, always, _mm256_set1_epi32(-1));
  return _mm256_mask_mov_epi32(limit, never, _mm256_set1_epi32(0xffff));
}

// Decides listed elements by the bounds of their buckets; lists those that stay open.
TINCTURE_AVX512 static size_t resolve(
    const rank_rule *rule, const rank_memory *memory, size_t count) {
  const uint32_t *list = memory->list;
  const uint16_t *narrow = memory->narrow;
  uint32_t *opened = memory->open, *open_limits = memory->limit;
  uint8_t *decided = memory->decided;
  __m512i half = _mm512_set1_epi32(0xffff), one = _mm512_set1_epi32(1);
  size_t open = 0;
  for (size_t k = 0; k < count; k += 16) {
    __mmask16 valid = count - k < 16 ? (__mmask16)((1u << (count - k)) - 1) : 0xffff;
    __m512i entry = _mm512_maskz_loadu_epi32(valid, list + k);
    __m512i index = _mm512_srli_epi32(entry, 16), bucket = _mm512_and_si512(entry, half);
    __m512i limit = _mm512_castsi256_si512(limits(rule, _mm512_castsi512_si256(index)));
    limit = _mm512_inserti64x4(limit, limits(rule, _mm512_extracti64x4_epi64(index, 1)), 1);
    __m512i bounds = _mm512_i32gather_epi32(bucket, narrow, 2);
    __mmask16 stays = _mm512_cmpgt_epi32_mask(_mm512_and_si512(bounds, half), limit);
    __mmask16 opens = _mm512_mask_cmpgt_epi32_mask(
        (__mmask16)(valid & ~stays), _mm512_srli_epi32(bounds, 16), _mm512_add_epi32(limit, one));
    memcpy(decided + k / 8, &stays, 2);
    _mm512_storeu_si512(opened + open, _mm512_maskz_compress_epi32(opens, index));
    _mm512_storeu_si512(open_limits + open, _mm512_maskz_compress_epi32(opens, limit));
    open += (size_t)__builtin_popcount(opens);
  }
  return open;
}

// Hands the decisions, which are in the order of the list, to the listed elements.
TINCTURE_AVX512 static void spread(const rank_memory *memory, size_t n) {
  const uint8_t *decided = memory->decided, *marks = memory->listed;
  uint8_t *bits = memory->bits;
  size_t place = 0;
  for (size_t i = 0; i < n; i += 32) {
    uint32_t marked, kept;
    uint64_t next;
    memcpy(&marked, marks + i / 8, sizeof marked);
    memcpy(&kept, bits + i / 8, sizeof kept);
    memcpy(&next, decided + place / 8, sizeof next);
    kept |= _pdep_u32((uint32_t)(next >> (place % 8)), marked);
    memcpy(bits + i / 8, &kept, sizeof kept);
    place += (size_t)__builtin_popcount(marked);
  }
}

size_t tincture_rank_decide_512(
    const rank_rule *rule, const rank_grid *grid, const float *x, size_t n,
    const rank_memory *memory) {
  memset(memory->listed + n / 8, 0, 8);
  size_t count = classify(rule, grid, x, n, memory);
  if (count == 0) return 0;
  count_quarters(n, grid->used, memory);
  first_ranks(memory, grid->used);
  size_t open = resolve(rule, memory, count);
  spread(memory, n);
  return tincture_rank_decide_ties_512(n, memory, open);
}

#else

size_t tincture_rank_decide_512(
    const rank_rule *rule, const rank_grid *grid, const float *x, size_t n,
    const rank_memory *memory) {
  (void)rule, (void)grid, (void)x, (void)n, (void)memory;
  return 0;
}

#endif
