// Random dropping by the rank of magnitudes, sixteen elements at a time.
#include "rank.h"

#ifdef TINCTURE_AVX512

static const uint64_t golden = 0x9e3779b97f4a7c15ull;
enum { piece = 512 };

// The elements of a piece that are to be compared, and what became of it.
typedef struct {
  uint32_t index[piece + 16];
  uint32_t number[piece + 16];   // counted from `always`
  uint8_t marks[piece / 8];      // set for these elements
  uint8_t larger[piece / 8 + 8]; // for each of them in turn: set when it stays
  uint8_t kept[piece / 8];       // set for elements that stay
} rank_piece;

TINCTURE_AVX512 static inline __m512i mixed(__m512i z) {
  z = _mm512_xor_si512(z, _mm512_srli_epi64(z, 30));
  z = _mm512_mullo_epi64(z, _mm512_set1_epi64((long long)0xbf58476d1ce4e5b9ull));
  z = _mm512_xor_si512(z, _mm512_srli_epi64(z, 27));
  z = _mm512_mullo_epi64(z, _mm512_set1_epi64((long long)0x94d049bb133111ebull));
  return _mm512_xor_si512(z, _mm512_srli_epi64(z, 31));
}

// The states of the sixteen elements from an even index on.
TINCTURE_AVX512 static inline __m512i states(const rank_rule *rule, size_t index) {
  __m512i pair = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
  __m512i wide = _mm512_mullo_epi64(pair, _mm512_set1_epi64((long long)golden));
  uint64_t origin = rule->key + (rule->start + index / 2 + 1) * golden;
  return _mm512_add_epi64(wide, _mm512_set1_epi64((long long)origin));
}

static inline __mmask16 first_of(size_t count) {
  return count < 16 ? (__mmask16)((1u << count) - 1) : 0xffff;
}

// Finds out which elements stay whatever the others are and lists those that are to be compared.
TINCTURE_AVX512 static size_t classify(
    const rank_rule *rule, size_t start, size_t length, rank_piece *memory) {
  __m512i always = _mm512_set1_epi32((int)rule->always);
  __m512i width = _mm512_set1_epi32((int)(rule->never - rule->always));
  __m512i state = states(rule, start), step = _mm512_set1_epi64((long long)(8 * golden));
  __m512i index = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  index = _mm512_add_epi32(index, _mm512_set1_epi32((int)start));
  size_t count = 0;
  for (size_t i = 0; i < length; i += 16) {
    __m512i z = mixed(state);
    __mmask16 valid = first_of(length - i);
    __mmask16 stays = _mm512_mask_cmplt_epu32_mask(valid, z, always);
    z = _mm512_sub_epi32(z, always);
    __mmask16 listed = _mm512_mask_cmplt_epu32_mask(valid, z, width);
    memcpy(memory->kept + i / 8, &stays, 2);
    memcpy(memory->marks + i / 8, &listed, 2);
    __m512i entry = _mm512_maskz_compress_epi32(listed, index);
    z = _mm512_maskz_compress_epi32(listed, z);
    size_t added = (size_t)__builtin_popcount(listed);
    // As a rule, few are listed: half a vector is stored in half the time.
    _mm256_storeu_si256((__m256i *)(memory->index + count), _mm512_castsi512_si256(entry));
    _mm256_storeu_si256((__m256i *)(memory->number + count), _mm512_castsi512_si256(z));
    if (added > 8) {
      _mm512_storeu_si512(memory->index + count, entry);
      _mm512_storeu_si512(memory->number + count, z);
    }
    count += added;
    state = _mm512_add_epi64(state, step);
    index = _mm512_add_epi32(index, _mm512_set1_epi32(16));
  }
  return count;
}

// The places of the elements that eight elements are compared with, among the others.
TINCTURE_AVX512 static inline __m256i others(const rank_rule *rule, __m256i number) {
  return _mm512_cvttpd_epi32(_mm512_mul_pd(_mm512_cvtepu32_pd(number), _mm512_set1_pd(rule->share)));
}

TINCTURE_AVX512 static void compare(
    const rank_rule *rule, const float *x, size_t count, rank_piece *memory) {
  __m512i sign = _mm512_set1_epi32((int)0x80000000u), zero = _mm512_setzero_si512();
  for (size_t k = 0; k < count; k += 16) {
    __mmask16 valid = first_of(count - k);
    __m512i index = _mm512_loadu_si512(memory->index + k), z = _mm512_loadu_si512(memory->number + k);
    __m512i other = _mm512_castsi256_si512(others(rule, _mm512_castsi512_si256(z)));
    other = _mm512_inserti64x4(other, others(rule, _mm512_extracti64x4_epi64(z, 1)), 1);
    other = _mm512_mask_add_epi32(
        other, _mm512_cmpge_epu32_mask(other, index), other, _mm512_set1_epi32(1));
    __m512i own = _mm512_mask_i32gather_epi32(zero, valid, index, x, 4);
    __m512i size = _mm512_mask_i32gather_epi32(zero, valid, other, x, 4);
    own = _mm512_andnot_si512(sign, own);
    size = _mm512_andnot_si512(sign, size);
    __mmask16 larger = _mm512_cmplt_epu32_mask(size, own);
    larger |= _mm512_mask_cmplt_epu32_mask(_mm512_cmpeq_epu32_mask(size, own), other, index);
    memcpy(memory->larger + k / 8, &larger, 2);
  }
}

// Hands the decisions, which are in the order of the list, to the listed elements.
TINCTURE_AVX512 static void spread(size_t length, rank_piece *memory) {
  size_t place = 0;
  for (size_t i = 0; i < length; i += 32) {
    uint32_t marked, kept;
    uint64_t next;
    memcpy(&marked, memory->marks + i / 8, sizeof marked);
    memcpy(&kept, memory->kept + i / 8, sizeof kept);
    memcpy(&next, memory->larger + place / 8, sizeof next);
    kept |= _pdep_u32((uint32_t)(next >> (place % 8)), marked);
    memcpy(memory->kept + i / 8, &kept, sizeof kept);
    place += (size_t)__builtin_popcount(marked);
  }
}

void tincture_rank_mask_512(const rank_rule *rule, const float *x, size_t n, uint8_t *bits) {
  rank_piece memory;
  for (size_t start = 0; start < n; start += piece) {
    size_t length = n - start < piece ? n - start : piece;
    if (length % 32) memset(memory.marks, 0, sizeof memory.marks);
    compare(rule, x, classify(rule, start, length, &memory), &memory);
    spread(length, &memory);
    memcpy(bits + start / 8, memory.kept, (length + 7) / 8);
  }
}

#endif
