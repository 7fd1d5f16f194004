// exp and log in double precision from elementary operations only, so that every machine and every
// clone gives the same bits. Errors are below 3 units in the last place on the ranges used.
#ifndef TINCTURE_TRANSCENDENTAL_H
#define TINCTURE_TRANSCENDENTAL_H

#include "kernel.h"

TINCTURE_INLINE double double_of(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// e^x for x <= 0; below -708 the result is 0.
TINCTURE_INLINE double exponential(double x) {
  const double magic = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to a whole number
  double shifted = x * 1.4426950408889634074 + magic;
  double k = shifted - magic;
  double r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
  // Taylor series on |r| <= ln 2 / 2; the remainder after r^13 / 13! is below 2^-58.
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  uint64_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  double power = double_of((bits + 1023) << 52);
  return x < -708.0 ? 0.0 : p * power;
}

// ln x for positive, finite, normal x; NaN for NaN.
TINCTURE_INLINE double logarithm(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  // x = 2^e m with m in [sqrt(1/2), sqrt(2)).
  uint64_t offset = bits - 0x3fe6a09e667f3bcdull;
  int64_t e = (int64_t)offset >> 52;
  double m = double_of(bits - ((uint64_t)e << 52));
  double s = (m - 1.0) / (m + 1.0), z = s * s;
  // 2 atanh(s) = 2 (s + s^3/3 + s^5/5 + ...); |s| < 0.1716, the remainder after s^21 is below 2^-58.
  double p = 1.0 / 21.0;
  p = p * z + 1.0 / 19.0;
  p = p * z + 1.0 / 17.0;
  p = p * z + 1.0 / 15.0;
  p = p * z + 1.0 / 13.0;
  p = p * z + 1.0 / 11.0;
  p = p * z + 1.0 / 9.0;
  p = p * z + 1.0 / 7.0;
  p = p * z + 1.0 / 5.0;
  p = p * z + 1.0 / 3.0;
  double series = 2.0 * s + 2.0 * s * (z * p);
  double k = (double)e;
  double result = k * 6.93147180369123816490e-01 + (series + k * 1.90821492927058770002e-10);
  return x == x ? result : x;
}

#endif
