/* Vectors of 16 floats, whatever the machine makes of them: GCC's and Clang's vector extensions, and intrinsics where
GCC 12 does worse. Knows: numbers and how they lie in memory. Does not know: networks. */

#ifndef SMOLDOCLING_VECTOR_H
#define SMOLDOCLING_VECTOR_H

#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#define LANES 16

#ifdef __AVX512F__
/* In a register: GCC would load it again for every product. */
#define KEEP(x) __asm__("" : "+v"(x))
#else
#define KEEP(x)
#endif

enum kind { FLOAT32, BFLOAT16, INT8 };

typedef float lanes __attribute__((vector_size(64)));
typedef int32_t whole __attribute__((vector_size(64)));
typedef uint32_t bits __attribute__((vector_size(64)));
typedef uint16_t halves __attribute__((vector_size(32)));
typedef int8_t bytes __attribute__((vector_size(16)));

/* ---- numbers */

INLINE lanes splat(float x) { return x - (lanes){}; }

INLINE lanes load(const float *from) {
  lanes x;
  memcpy(&x, from, sizeof x);
  return x;
}

INLINE void store(float *to, lanes x) { memcpy(to, &x, sizeof x); }

INLINE lanes load_any(const int kind, const void *base, int64_t at) {
  if (kind == FLOAT32)
    return load((const float *)base + at);
  if (kind == BFLOAT16) { /* the upper half of a float */
    halves h;
    memcpy(&h, (const uint16_t *)base + at, sizeof h);
#ifdef __AVX512F__ /* GCC 12 widens in two halves */
    return (lanes)_mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)h), 16);
#else
    return (lanes)(__builtin_convertvector(h, bits) << 16);
#endif
  }
  bytes b;
  memcpy(&b, (const int8_t *)base + at, sizeof b);
#ifdef __AVX512F__
  return (lanes)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32((__m128i)b));
#else
  return __builtin_convertvector(__builtin_convertvector(b, whole), lanes);
#endif
}

/* Asks for a line of memory before its turn. An address that is nobody's does no harm. */
INLINE void fetch(const int kind, const void *base, int64_t at) {
  __builtin_prefetch((const char *)base + at * (kind == FLOAT32 ? 4 : kind == BFLOAT16 ? 2 : 1));
}

INLINE void store_any(const int kind, void *base, int64_t at, float x) {
  if (kind == FLOAT32) {
    ((float *)base)[at] = x;
    return;
  }
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  u += 0x7fff + (u >> 16 & 1); /* to nearest, ties to even */
  ((uint16_t *)base)[at] = (uint16_t)(u >> 16);
}

/* Rounded as `kind` says. */
INLINE void store_lanes(const int kind, void *base, int64_t at, lanes x) {
  if (kind == FLOAT32) {
    store((float *)base + at, x);
    return;
  }
#ifdef __AVX512BF16__
  __m256bh rounded = _mm512_cvtneps_pbh((__m512)x);
  memcpy((uint16_t *)base + at, &rounded, sizeof rounded);
  return;
#endif
  bits u = (bits)x;
  u += 0x7fff + (u >> 16 & 1);
#ifdef __AVX512F__
  halves h = (halves)_mm512_cvtepi32_epi16((__m512i)(u >> 16));
#else
  halves h = __builtin_convertvector(u >> 16, halves);
#endif
  memcpy((uint16_t *)base + at, &h, sizeof h);
}

INLINE lanes larger(lanes a, lanes b) {
#ifdef __AVX512F__
  return (lanes)_mm512_max_ps((__m512)a, (__m512)b);
#endif
  whole more = a > b;
  return (lanes)((more & (whole)a) | (~more & (whole)b));
}

INLINE float largest(lanes x) {
  x = larger(x, __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  x = larger(x, __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  x = larger(x, __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
  x = larger(x, __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
  return x[0];
}

INLINE float sum(lanes x) {
  x += __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
  x += __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
  x += __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  x += __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  return x[0];
}

/* The sums of four vectors, each in the same order of additions. */
INLINE void sums(lanes a, lanes b, lanes c, lanes d, float *to) {
  a = __builtin_shufflevector(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30) +
      __builtin_shufflevector(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
  c = __builtin_shufflevector(c, d, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30) +
      __builtin_shufflevector(c, d, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
  a = __builtin_shufflevector(a, c, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
      __builtin_shufflevector(a, c, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
  a += __builtin_shufflevector(a, a, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
  a += __builtin_shufflevector(a, a, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
  memcpy(to, &a, 4 * sizeof *to);
}

/* e^x for x cut to -87..88, to 2e-7 near 0 and 1.4e-6 at the ends: x log2(e) = n + r, a polynomial for 2^r (the Taylor
series of e^(r ln 2) with |r| <= 1/2 to degree 6 leaves 1.2e-7), the exponent by integer addition. */
INLINE lanes exponential(lanes x) {
  x = larger(x, splat(-87.0f));
  x = -larger(-x, splat(-88.0f));
  const lanes rounder = splat(12582912.0f); /* 1.5 * 2^23: adding it rounds to the nearest whole number */
  lanes shifted = x * splat(1.44269504f) + rounder;
  lanes r = x * splat(1.44269504f) - (shifted - rounder);
  lanes p = splat(1.5403530e-4f);
  p = p * r + splat(1.3333558e-3f);
  p = p * r + splat(9.6181291e-3f);
  p = p * r + splat(5.5504109e-2f);
  p = p * r + splat(2.4022651e-1f);
  p = p * r + splat(6.9314718e-1f);
  p = p * r + splat(1.0f);
  return (lanes)((whole)p + ((whole)shifted << 23));
}

/* Which part of `count` things is one thread's. */
INLINE void share(int count, int thread, int threads, int *first, int *end) {
  *first = (int)((int64_t)count * thread / threads);
  *end = (int)((int64_t)count * (thread + 1) / threads);
}

#endif
