/* What lies between the large products of the vision tower and of a prompt: norms, softmax, rotary positions, gates,
int8 activations. Each in one pass over memory where torch takes several.

Knows: rows of numbers. Does not know: Python, torch, layers. parts.py calls it and holds its slow reference.
Law: a row depends on itself alone. `kind` is that of x and y, FLOAT32 or BFLOAT16; arithmetic is in float32. */

#include "vector.h"

#define MAX_COLUMNS 16384

#define BOTH(call, ...)                                                                                                    \
  if (kind == FLOAT32)                                                                                                     \
    call(FLOAT32, __VA_ARGS__);                                                                                            \
  else                                                                                                                     \
    call(BFLOAT16, __VA_ARGS__);

#define EVERY_ROW _Pragma("omp parallel for schedule(static) num_threads(threads)") for (int64_t row = 0; row < rows; row++)

INLINE void add_norm_row(const int kind, void *x, const void *delta, const float *weight, const float *bias, float eps,
                         void *y, int64_t at, int width) {
  lanes total = {}, squares = {};
  for (int i = 0; i < width; i += LANES) {
    lanes v = load_any(kind, x, at + i);
    if (delta) {
      v += load_any(kind, delta, at + i);
      store_lanes(kind, x, at + i, v);
      v = load_any(kind, x, at + i);
    }
    total += v;
  }
  float mean = bias ? sum(total) / (float)width : 0.0f;
  for (int i = 0; i < width; i += LANES) {
    lanes v = load_any(kind, x, at + i) - splat(mean);
    squares += v * v;
  }
  lanes scale = splat(1.0f / sqrtf(sum(squares) / (float)width + eps));
  for (int i = 0; i < width; i += LANES) {
    lanes v = (load_any(kind, x, at + i) - splat(mean)) * scale * load(weight + i);
    store_lanes(kind, y, at + i, bias ? v + load(bias + i) : v);
  }
}

/* x += delta, if there is one; y = norm(x): of mean and variance with a bias, of the root mean square without. */
void smoldocling_add_norm(int32_t threads, int32_t kind, int64_t rows, int32_t width, void *x, const void *delta,
                          const float *weight, const float *bias, float eps, void *y) {
  EVERY_ROW { BOTH(add_norm_row, x, delta, weight, bias, eps, y, row * width, width) }
}

INLINE void softmax_row(const int kind, void *x, int64_t at, int columns, int visible, float *buffer) {
  int whole_vectors = visible / LANES * LANES;
  lanes most = splat(-INFINITY), total = {};
  for (int i = 0; i < whole_vectors; i += LANES) {
    lanes v = load_any(kind, x, at + i);
    store(buffer + i, v);
    most = larger(v, most);
  }
  int padded = (visible + LANES - 1) / LANES * LANES;
  for (int i = whole_vectors; i < padded; i++) {
    float v = -INFINITY;
    if (i < visible && kind == FLOAT32)
      v = ((const float *)x)[at + i];
    else if (i < visible) {
      uint32_t u = (uint32_t)((const uint16_t *)x)[at + i] << 16;
      memcpy(&v, &u, sizeof v);
    }
    buffer[i] = v;
  }
  if (padded > whole_vectors)
    most = larger(load(buffer + whole_vectors), most);
  lanes highest = splat(largest(most));
  for (int i = 0; i < padded; i += LANES) {
    lanes share = exponential(load(buffer + i) - highest);
    store(buffer + i, share);
    total += share;
  }
  lanes scale = splat(1.0f / sum(total));
  for (int i = 0; i < whole_vectors; i += LANES)
    store_lanes(kind, x, at + i, load(buffer + i) * scale);
  for (int i = whole_vectors; i < columns; i++)
    store_any(kind, x, at + i, i < visible ? buffer[i] * scale[0] : 0.0f);
}

/* x (rows, columns) = softmax of each row. With `group`, row i sees first + i / group + 1 columns, the others become 0;
with group 0 it sees all. Returns 1 for rows that are too long. */
int smoldocling_softmax(int32_t threads, int32_t kind, int64_t rows, int32_t columns, void *x, int32_t group,
                        int32_t first) {
  if (columns > MAX_COLUMNS)
    return 1;
  EVERY_ROW {
    float buffer[MAX_COLUMNS] __attribute__((aligned(64)));
    int64_t seen = group ? first + row / group + 1 : columns;
    int visible = seen < columns ? (int)seen : columns;
    BOTH(softmax_row, x, row * columns, columns, visible, buffer)
  }
  return 0;
}

INLINE void gate_row(const int kind, const void *x, void *y, int64_t row, int inner) {
  for (int i = 0; i < inner; i += LANES) {
    lanes g = load_any(kind, x, row * 2 * inner + i), u = load_any(kind, x, row * 2 * inner + inner + i);
    store_lanes(kind, y, row * inner + i, g / (splat(1.0f) + exponential(-g)) * u);
  }
}

/* y (rows, inner) = silu(gate) * up, x (rows, gate and up) */
void smoldocling_gate(int32_t threads, int32_t kind, int64_t rows, int32_t inner, const void *x, void *y) {
  EVERY_ROW { BOTH(gate_row, x, y, row, inner) }
}

struct heads {
  int32_t heads, kv_heads, dim;
  int64_t length;
};

INLINE void turn_row(const int kind, const void *x, struct heads h, int64_t rows, int64_t row, int64_t start,
                     const float *cosines, const float *sines, void *q, void *keys, void *values) {
  const int dim = h.dim, half = dim / 2, group = h.heads / h.kv_heads;
  const float scale = 1.0f / sqrtf((float)dim);
  for (int head = 0; head < h.heads + 2 * h.kv_heads; head++) {
    int64_t from = (row * (h.heads + 2 * h.kv_heads) + head) * dim, to;
    void *out;
    if (head < h.heads) {
      out = q;
      to = ((head / group * rows + row) * group + head % group) * dim;
    } else {
      int key = head < h.heads + h.kv_heads;
      out = key ? keys : values;
      to = ((head - h.heads - (key ? 0 : h.kv_heads)) * h.length + start + row) * dim;
      if (!key) {
        for (int i = 0; i < dim; i += LANES)
          store_lanes(kind, out, to + i, load_any(kind, x, from + i));
        continue;
      }
    }
    lanes factor = splat(head < h.heads ? scale : 1.0f);
    for (int i = 0; i < half; i += LANES) {
      lanes a = load_any(kind, x, from + i), b = load_any(kind, x, from + half + i);
      lanes c = load(cosines + (start + row) * half + i), s = load(sines + (start + row) * half + i);
      store_lanes(kind, out, to + i, (a * c - b * s) * factor);
      store_lanes(kind, out, to + half + i, (b * c + a * s) * factor);
    }
  }
}

/* x (rows, heads + 2 kv_heads, dim) at positions start, start + 1...: queries turned and scaled to
q (kv_heads, rows, group, dim); keys, turned, and values to one slot of the cache, (kv_heads, length, dim). */
void smoldocling_turn(int32_t threads, int32_t kind, int64_t rows, int32_t heads, int32_t kv_heads, int32_t dim,
                      int64_t length, const void *x, int64_t start, const float *cosines, const float *sines, void *q,
                      void *keys, void *values) {
  struct heads h = {heads, kv_heads, dim, length};
  EVERY_ROW { BOTH(turn_row, x, h, rows, row, start, cosines, sines, q, keys, values) }
}

INLINE void quantise_row(const int kind, const void *x, int64_t at, int width, int8_t *y, float *scale) {
  lanes most = splat(0.0f);
  for (int i = 0; i < width; i += LANES) {
    lanes v = load_any(kind, x, at + i);
    most = larger(larger(v, -v), most);
  }
  float peak = largest(most);
  *scale = peak / 127.0f;
  lanes factor = splat(peak > 0.0f ? 127.0f / peak : 0.0f);
  for (int i = 0; i < width; i += LANES) {
    /* 1.5 * 2^23 rounds to the nearest whole number, ties to even, and leaves it in the low bits */
    whole n = (whole)(load_any(kind, x, at + i) * factor + splat(12582912.0f));
#ifdef __AVX512F__
    bytes b = (bytes)_mm512_cvtepi32_epi8((__m512i)n);
#else
    bytes b = __builtin_convertvector(n << 24 >> 24, bytes);
#endif
    memcpy(y + at + i, &b, sizeof b);
  }
}

/* y (rows, width) = x / scale as int8, one scale (rows) a row. */
void smoldocling_quantise(int32_t threads, int32_t kind, int64_t rows, int32_t width, const void *x, int8_t *y,
                          float *scale) {
  EVERY_ROW { BOTH(quantise_row, x, row * width, width, y, scale + row) }
}

INLINE void rescale_row(const int kind, const int32_t *sums, int64_t at, int width, float row_scale, const float *scale,
                        const float *bias, int gelu, void *y) {
  for (int i = 0; i < width; i += LANES) {
    whole n;
    memcpy(&n, sums + at + i, sizeof n);
    lanes v = __builtin_convertvector(n, lanes) * splat(row_scale) * load(scale + i);
    if (bias)
      v += load(bias + i);
    if (gelu) { /* x / 2 (1 + tanh u) = x / (1 + e^-2u), u = sqrt(2 / pi) (x + 0.044715 x^3) */
      lanes u = v * (splat(1.5957691216f) + splat(0.0713548162726f) * v * v);
      v = v / (splat(1.0f) + exponential(-u));
    }
    store_lanes(kind, y, at + i, v);
  }
}

/* y (rows, width) = sums * row_scale * scale + bias, then GELU (of tanh) if `gelu`. */
void smoldocling_rescale(int32_t threads, int32_t kind, int64_t rows, int32_t width, const int32_t *sums,
                         const float *row_scale, const float *scale, const float *bias, int32_t gelu, void *y) {
  EVERY_ROW { BOTH(rescale_row, sums, row * width, width, row_scale[row], scale, bias, gelu, y) }
}
