// Random dropping whose probability follows the rank of a magnitude in its row.
#include "rank.h"

#include <math.h>

static uint32_t number_of(double probability) {
  double scaled = probability * 0x1p32;
  if (!(scaled > 0.0)) return 0;
  return scaled < (double)UINT32_MAX ? (uint32_t)ceil(scaled) : UINT32_MAX;
}

static rank_rule rule_of(uint64_t key, uint64_t start, double low, double spread, size_t n) {
  double top = n > 1 ? low + 2.0 * spread : low + spread;
  rank_rule rule = {key, start, number_of(n > 1 ? low : top), number_of(top), 0.0};
  if (rule.never < rule.always) rule.never = rule.always;
  if (rule.never > rule.always) rule.share = (double)(n - 1) / (double)(rule.never - rule.always);
  return rule;
}

// Whether the element with which this number compares an element is smaller; of equal ones the first is.
TINCTURE_INLINE int is_larger(const rank_rule *rule, const float *x, size_t i, uint32_t number) {
  size_t other = (size_t)((double)(number - rule->always) * rule->share);
  other += other >= i;
  uint32_t own = magnitude_of(x[i]), size = magnitude_of(x[other]);
  return (size < own) | ((size == own) & (other < i));
}

// Lists the elements to be compared before it compares them, so that no branch depends on chance.
static void mask_any(const rank_rule *rule, const float *x, size_t n, uint8_t *bits) {
  enum { piece = 256 };
  uint16_t listed[piece];
  uint32_t numbers[piece];
  for (size_t start = 0; start < n; start += piece) {
    size_t length = n - start < piece ? n - start : piece, count = 0;
    for (size_t i = 0; i < length; i++) {
      uint32_t z = counter_half(rule->key, rule->start, start + i);
      size_t place = (start + i) / 8;
      bits[place] = (uint8_t)((i % 8 ? bits[place] : 0) | (z < rule->always) << (i % 8));
      listed[count] = (uint16_t)i;
      numbers[count] = z;
      count += z >= rule->always && z < rule->never;
    }
    for (size_t k = 0; k < count; k++) {
      size_t i = start + listed[k];
      bits[i / 8] |= (uint8_t)(is_larger(rule, x, i, numbers[k]) << (i % 8));
    }
  }
}

void tincture_rank_mask(
    uint64_t key, uint64_t start, double low, double spread, const float *x, size_t n,
    uint8_t *bits) {
  rank_rule rule = rule_of(key, start, low, spread, n);
#ifdef TINCTURE_AVX512
  if (n < (size_t)1 << 31 && __builtin_cpu_supports("x86-64-v4")) {
    tincture_rank_mask_512(&rule, x, n, bits);
    return;
  }
#endif
  mask_any(&rule, x, n, bits);
}
