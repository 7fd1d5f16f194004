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

// Finds buckets, sets the bits of the elements that stay at any rank and lists those for which it
// matters.
TINCTURE_AVX512 static size_t classify(
    const rank_rule *rule, const rank_grid *grid, const float *x, size_t n,
    const rank_memory *memory) {
  uint8_t *bits = memory->bits, *marks = memory->listed;
  uint16_t *bucket = memory->bucket;
  uint32_t *list = memory->list;
  __m512 scale = _mm512_set1_ps(grid->scale), top = _mm512_set1_ps(grid->top);
  __m512i always = _mm512_set1_epi64((long long)rule->always);
  __m512i never = _mm512_set1_epi64((long long)rule->never);
  __m512i index = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  __m512i state = states(rule, _mm512_castsi512_si256(index));
  __m512i step = _mm512_set1_epi64((long long)(8 * golden));
  size_t count = 0;
  for (size_t i = 0; i < n; i += 16) {
    __mmask16 valid = n - i < 16 ? (__mmask16)((1u << (n - i)) - 1) : 0xffff;
    __m512 size = _mm512_abs_ps(_mm512_maskz_loadu_ps(valid, x + i));
    __m512 place = _mm512_mul_ps(size, scale);
    __m512i nonzero = _mm512_castps_si512(size);
    __mmask16 beyond = _mm512_cmp_ps_mask(place, top, _CMP_GE_OQ);
    place = _mm512_min_ps(place, top);
    __m512i whole = _mm512_cvttps_epi32(place);
    __mmask16 odd = beyond | _mm512_cmp_ps_mask(place, _mm512_cvtepi32_ps(whole), _CMP_NEQ_OQ);
    // Subnormal numbers may vanish in the product; they are not the zeros of bucket 0.
    odd |= _mm512_mask_test_epi32_mask(
        _mm512_cmp_ps_mask(place, _mm512_setzero_ps(), _CMP_EQ_OQ), nonzero, nonzero);
    __m512i number = _mm512_add_epi32(whole, whole);
    number = _mm512_mask_add_epi32(number, odd, number, _mm512_set1_epi32(1));
    _mm256_storeu_si256((__m256i *)(bucket + i), _mm512_cvtepi32_epi16(number));

    __m512i low = mixed(state), high = mixed(_mm512_add_epi64(state, step));
    uint32_t stays = _mm512_cmplt_epu64_mask(low, always);
    stays |= (uint32_t)_mm512_cmplt_epu64_mask(high, always) << 8;
    uint32_t matters = _mm512_cmplt_epu64_mask(low, never);
    matters |= (uint32_t)_mm512_cmplt_epu64_mask(high, never) << 8;
    __mmask16 chosen = _mm512_mask_test_epi32_mask((__mmask16)(matters & ~stays), number, number);
    memcpy(bits + i / 8, &stays, 2);
    memcpy(marks + i / 8, &chosen, 2);
    __m512i entry = _mm512_or_si512(number, _mm512_slli_epi32(index, 16));
    _mm512_storeu_si512(list + count, _mm512_maskz_compress_epi32(chosen, entry));
    count += (size_t)__builtin_popcount(chosen);
    state = _mm512_add_epi64(state, _mm512_slli_epi64(step, 1));
    index = _mm512_add_epi32(index, _mm512_set1_epi32(16));
  }
  return count;
}

// The first ranks of sixteen buckets at a time, in both widths.
TINCTURE_AVX512 static void first_ranks(const rank_memory *memory, size_t used) {
  uint32_t *first = memory->first;
  uint16_t *narrow = memory->narrow;
  const uint32_t *low = memory->counts, *high = low + rank_table;
  __m512i before = _mm512_setzero_si512(), zero = before, last = _mm512_set1_epi32(15);
  for (size_t b = 0; b < used; b += 16) {
    __m512i own = _mm512_add_epi32(_mm512_loadu_si512(low + b), _mm512_loadu_si512(high + b));
    __m512i sum = _mm512_add_epi32(own, _mm512_alignr_epi32(own, zero, 15));
    sum = _mm512_add_epi32(sum, _mm512_alignr_epi32(sum, zero, 14));
    sum = _mm512_add_epi32(sum, _mm512_alignr_epi32(sum, zero, 12));
    sum = _mm512_add_epi32(sum, _mm512_alignr_epi32(sum, zero, 8));
    __m512i rank = _mm512_add_epi32(before, _mm512_sub_epi32(sum, own));
    _mm512_storeu_si512(first + b, rank);
    _mm256_storeu_si256((__m256i *)(narrow + b), _mm512_cvtepi32_epi16(rank));
    before = _mm512_add_epi32(before, _mm512_permutexvar_epi32(last, sum));
  }
  first[used] = (uint32_t)_mm512_cvtsi512_si32(before);
  narrow[used] = (uint16_t)first[used];
}

// The ranks up to which eight listed elements go.
TINCTURE_AVX512 static inline __m256i limits(const rank_rule *rule, __m256i index) {
  __m512d u = _mm512_cvtepu64_pd(_mm512_srli_epi64(mixed(states(rule, index)), 11));
  u = _mm512_sub_pd(_mm512_mul_pd(u, _mm512_set1_pd(0x1p-53)), _mm512_set1_pd(rule->base));
  return _mm512_cvttpd_epi32(_mm512_mul_pd(u, _mm512_set1_pd(rule->inverse_step)));
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
  tincture_rank_count(n, grid->used, memory);
  first_ranks(memory, grid->used);
  size_t open = resolve(rule, memory, count);
  spread(memory, n);
  return open;
}

#else

size_t tincture_rank_decide_512(
    const rank_rule *rule, const rank_grid *grid, const float *x, size_t n,
    const rank_memory *memory) {
  (void)rule, (void)grid, (void)x, (void)n, (void)memory;
  return 0;
}

#endif
