/* One step of the decoder on a CPU: a few rows of many sequences through all layers, from ids to the next ids.

Knows: weights as they lie in memory (float32, bfloat16, int8 with a scale a row), slots of the cache, positions.
Does not know: Python, torch, whose turn it is. step.py calls it; smoldocling/model/decoder.py is its slow reference.

Law: what a row becomes does not depend on the rows beside it nor on the number of threads, to the last bit. Every dot
product runs over its vector in the same order whatever block it is in, and attention is cut into pieces of fixed length
that are joined in order. So no expression may be reordered (no -ffast-math), and blocks differ in size only. */

#include "vector.h"

#define ROWS 4 /* weight rows of one block */
#define COLUMNS 4 /* sequence rows of one block */
#define PIECE 256 /* positions that one task of attention looks at */
#define AHEAD 16384 /* bytes: so far before its use memory is asked for, which halves the time of a step */
#define MAX_GROUP 8
#define MAX_HEAD_DIM 128

struct matrix {
  const void *data; /* (outputs, inputs) */
  const float *scale; /* (outputs), of int8 */
  int32_t kind;
};

struct layer {
  const float *attention_norm, *inner_norm;
  struct matrix qkv, out, gate_up, down;
};

struct network {
  int32_t layers, width, inner, heads, kv_heads, head_dim, vocab, threads;
  float eps;
  const float *cosines, *sines; /* (positions, head_dim / 2) */
  const float *norm;
  struct matrix embedding, head;
  const struct layer *layer;
};

struct cache {
  void *keys, *values; /* (layers, slots, kv_heads, length, head_dim) */
  int64_t slots, length;
  int32_t kind; /* FLOAT32 or BFLOAT16 */
};

struct step {
  const struct network *net;
  const struct cache *cache;
  const int32_t *slot, *position;
  int rows, pieces; /* most pieces of any row */
  float *x;         /* (rows, width) */
  float *q;         /* (rows, heads, head_dim), scaled */
  float *part;      /* (rows, heads, pieces, 2 + head_dim): largest score, sum of shares, sum of values */
  int kind;         /* of y and act, the vectors that weights are multiplied with */
  void *act;        /* (rows, inner) */
  float *gates;     /* each thread's, (threads, rows, 2, LANES) */
};

/* ---- products */

/* out[column][row] = weight row . x column, for ROWS weight rows and `columns` of x, which are float32. */
INLINE void dots_of(const int kind, const int columns, const void *base, const int64_t *row, const void *x, int64_t step,
                    int inputs, float *out) {
  lanes total[ROWS][COLUMNS] = {};
  for (int i = 0; i < inputs; i += LANES) {
    lanes w[ROWS];
    for (int r = 0; r < ROWS; r++) {
      w[r] = load_any(kind, base, row[r] * inputs + i);
      fetch(kind, (const char *)base + AHEAD, row[r] * inputs + i);
    }
    for (int c = 0; c < columns; c++) {
      lanes y = load((const float *)x + c * step + i);
      KEEP(y);
      for (int r = 0; r < ROWS; r++)
        total[r][c] += w[r] * y;
    }
  }
  for (int c = 0; c < columns; c++)
    sums(total[0][c], total[1][c], total[2][c], total[3][c], out + c * ROWS);
}

#ifdef __AVX512BF16__
INLINE __m512bh load_pairs(const int kind, const void *base, int64_t at) {
  __m512bh x;
  if (kind == INT8) {
    __m512 low = (__m512)load_any(INT8, base, at), high = (__m512)load_any(INT8, base, at + LANES);
    return _mm512_cvtne2ps_pbh(high, low);
  }
  memcpy(&x, (const uint16_t *)base + at, sizeof x);
  return x;
}

/* The same where x is bfloat16, by the instruction that multiplies pairs of them: twice the speed. int8 becomes bfloat16
without loss. */
INLINE void dots_of_pairs(const int kind, const int columns, const void *base, const int64_t *row, const void *x, int64_t step, int inputs,
                          float *out) {
  __m512 total[ROWS][COLUMNS] = {};
  for (int i = 0; i < inputs; i += 2 * LANES) {
    __m512bh w[ROWS];
    for (int r = 0; r < ROWS; r++) {
      w[r] = load_pairs(kind, base, row[r] * inputs + i);
      fetch(kind, (const char *)base + AHEAD, row[r] * inputs + i);
    }
    for (int c = 0; c < columns; c++) {
      __m512bh y;
      memcpy(&y, (const uint16_t *)x + c * step + i, sizeof y);
      KEEP(y);
      for (int r = 0; r < ROWS; r++)
        total[r][c] = _mm512_dpbf16_ps(total[r][c], w[r], y);
    }
  }
  for (int c = 0; c < columns; c++)
    sums((lanes)total[0][c], (lanes)total[1][c], (lanes)total[2][c], (lanes)total[3][c], out + c * ROWS);
}
#endif

#define DOTS(dots_of, kind)                                                                                                 \
  switch (columns) {                                                                                                       \
  case 1: dots_of(kind, 1, base, row, x, step, inputs, out); break;                                                  \
  case 2: dots_of(kind, 2, base, row, x, step, inputs, out); break;                                                  \
  case 3: dots_of(kind, 3, base, row, x, step, inputs, out); break;                                                  \
  default: dots_of(kind, 4, base, row, x, step, inputs, out);                                                        \
  }

/* `kind` is that of x, whose columns lie `step` numbers apart. */
static void dots(const int kind, const struct matrix *w, const int64_t *row, const void *x, int64_t step, int columns,
                 int inputs, float *out) {
  const void *base = w->data;
#ifdef __AVX512BF16__
  if (kind == BFLOAT16 && w->kind == BFLOAT16)
    DOTS(dots_of_pairs, BFLOAT16)
  else if (kind == BFLOAT16)
    DOTS(dots_of_pairs, INT8)
  else
#endif
  if (w->kind == FLOAT32)
    DOTS(dots_of, FLOAT32)
  else if (w->kind == BFLOAT16)
    DOTS(dots_of, BFLOAT16)
  else
    DOTS(dots_of, INT8)
  (void)kind;
  if (w->kind == INT8)
    for (int r = 0; r < ROWS; r++)
      for (int c = 0; c < columns; c++)
        out[c * ROWS + r] *= w->scale[row[r]];
}

/* Of what kind the vectors are that weights are multiplied with: bfloat16 where the network is and the processor has an
instruction for it, as torch computes in that precision; else float32. */
static int factors(const struct network *net) {
#ifdef __AVX512BF16__
  int whole = !(net->width % (2 * LANES) || net->inner % (2 * LANES) || net->heads * net->head_dim % (2 * LANES));
  if (whole && net->embedding.kind == BFLOAT16)
    return BFLOAT16;
#endif
  (void)net;
  return FLOAT32;
}

/* ---- the parts of a layer; every thread does its share */

/* y = x / rms(x) * weight, for all rows: cheaper than waiting for another thread to do it. */
static void normalise(const struct step *s, const float *weight, void *y) {
  int width = s->net->width;
  for (int m = 0; m < s->rows; m++) {
    const float *x = s->x + (int64_t)m * width;
    lanes squares = {};
    for (int i = 0; i < width; i += LANES)
      squares += load(x + i) * load(x + i);
    float scale = 1.0f / sqrtf(sum(squares) / (float)width + s->net->eps);
    for (int i = 0; i < width; i += LANES)
      store_lanes(s->kind, y, (int64_t)m * width + i, load(x + i) * splat(scale) * load(weight + i));
  }
}

/* The m-th row of `width` numbers. */
INLINE const void *row_of(const struct step *s, const void *y, int m, int width) {
  return (const char *)y + (int64_t)m * width * (s->kind == FLOAT32 ? 4 : 2);
}

INLINE int64_t place(const struct step *s, int layer, int row, int head) {
  const struct cache *c = s->cache;
  return (((layer * c->slots + s->slot[row]) * s->net->kv_heads + head) * c->length) * s->net->head_dim;
}

/* Queries, keys and values; positions are turned into them at once, and keys and values go to the cache. */
static void project(const struct step *s, int number, const void *y, int thread, int threads) {
  const struct network *net = s->net;
  const int dim = net->head_dim, half = dim / 2, each = dim / ROWS;
  const float scale = 1.0f / sqrtf((float)dim);
  int first, end;
  share((net->heads + 2 * net->kv_heads) * each, thread, threads, &first, &end);
  for (int unit = first; unit < end; unit++) {
    int head = unit / each, j = unit % each * 2;
    int64_t base = (int64_t)head * dim + j, row[ROWS] = {base, base + 1, base + half, base + half + 1};
    for (int m = 0; m < s->rows; m += COLUMNS) {
      float out[ROWS * COLUMNS];
      int columns = s->rows - m < COLUMNS ? s->rows - m : COLUMNS;
      dots(s->kind, &net->layer[number].qkv, row, row_of(s, y, m, net->width), net->width, columns, net->width, out);
      for (int c = 0; c < columns; c++) {
        float *a = out + c * ROWS, *b = a + 2;
        int position = s->position[m + c];
        if (head < net->heads + net->kv_heads) {
          const float *cosine = net->cosines + (int64_t)position * half + j;
          const float *sine = net->sines + (int64_t)position * half + j;
          for (int i = 0; i < 2; i++) {
            float turned = a[i] * cosine[i] - b[i] * sine[i];
            b[i] = b[i] * cosine[i] + a[i] * sine[i];
            a[i] = turned;
          }
        }
        if (head < net->heads) {
          float *q = s->q + ((int64_t)(m + c) * net->heads + head) * dim;
          for (int i = 0; i < 2; i++) {
            q[j + i] = a[i] * scale;
            q[j + half + i] = b[i] * scale;
          }
        } else {
          int key = head < net->heads + net->kv_heads;
          int kv_head = head - net->heads - (key ? 0 : net->kv_heads);
          void *to = key ? s->cache->keys : s->cache->values;
          int64_t at = place(s, number, m + c, kv_head) + (int64_t)position * dim;
          for (int i = 0; i < 2; i++) {
            store_any(s->cache->kind, to, at + j + i, a[i]);
            store_any(s->cache->kind, to, at + j + half + i, b[i]);
          }
        }
      }
    }
  }
}

/* One piece of one row: what `group` heads that share keys and values see of it. */
INLINE void look_at(const int kind, const int group, const int dim, const struct step *s, int row, int kv_head, int piece,
                    const void *keys, const void *values) {
  const int vectors = dim / LANES;
  const float *q = s->q + ((int64_t)row * s->net->heads + kv_head * group) * dim;
  int first = piece * PIECE, end = s->position[row] + 1;
  int count = end - first < PIECE ? end - first : PIECE;
  float score[MAX_GROUP][PIECE];
  lanes query[MAX_GROUP][MAX_HEAD_DIM / LANES];
  for (int g = 0; g < group; g++)
    for (int v = 0; v < vectors; v++)
      query[g][v] = load(q + g * dim + v * LANES);
  for (int p = 0; p < count; p += 4) {
    int64_t at[4];
    for (int i = 0; i < 4; i++) /* behind the end stands the last one again */
      at[i] = (int64_t)(first + (p + i < count ? p + i : count - 1)) * dim;
    lanes total[MAX_GROUP][4] = {};
    for (int v = 0; v < vectors; v++)
      for (int i = 0; i < 4; i++) {
        lanes key = load_any(kind, keys, at[i] + v * LANES);
        fetch(kind, values, at[i] + v * LANES);
        for (int g = 0; g < group; g++)
          total[g][i] += query[g][v] * key;
      }
    for (int g = 0; g < group; g++)
      sums(total[g][0], total[g][1], total[g][2], total[g][3], score[g] + p);
  }
  int padded = (count + LANES - 1) / LANES * LANES;
  float *part = s->part + (((int64_t)row * s->net->heads + kv_head * group) * s->pieces + piece) * (2 + dim);
  const int64_t next = (int64_t)s->pieces * (2 + dim);
  for (int g = 0; g < group; g++) {
    for (int p = count; p < padded; p++)
      score[g][p] = -INFINITY; /* weighs e^-87 at most */
    lanes highest = load(score[g]);
    for (int p = LANES; p < padded; p += LANES)
      highest = larger(load(score[g] + p), highest);
    float most = largest(highest);
    lanes shares = {};
    for (int p = 0; p < padded; p += LANES) {
      lanes share = exponential(load(score[g] + p) - splat(most));
      store(score[g] + p, share);
      shares += share;
    }
    part[g * next] = most;
    part[g * next + 1] = sum(shares);
  }
  lanes total[MAX_GROUP][MAX_HEAD_DIM / LANES] = {};
  for (int p = 0; p < count; p++)
    for (int v = 0; v < vectors; v++) {
      lanes value = load_any(kind, values, (int64_t)(first + p) * dim + v * LANES);
      fetch(kind, keys, (int64_t)(first + PIECE + p) * dim + v * LANES);
      for (int g = 0; g < group; g++)
        total[g][v] += splat(score[g][p]) * value;
    }
  for (int g = 0; g < group; g++)
    for (int v = 0; v < vectors; v++)
      store(part + g * next + 2 + v * LANES, total[g][v]);
}

/* The shapes of the family get code of their own. */
#define LOOK(kind)                                                                                                         \
  if (dim == 64 && group == 3)                                                                                             \
    look_at(kind, 3, 64, s, row, kv_head, piece, keys, values);                                                            \
  else if (dim == 64 && group == 1)                                                                                        \
    look_at(kind, 1, 64, s, row, kv_head, piece, keys, values);                                                            \
  else                                                                                                                     \
    look_at(kind, group, dim, s, row, kv_head, piece, keys, values);

static void look(const struct step *s, int number, int row, int kv_head, int piece) {
  const int group = s->net->heads / s->net->kv_heads, dim = s->net->head_dim;
  int64_t at = place(s, number, row, kv_head);
  if (s->cache->kind == FLOAT32) {
    const void *keys = (const float *)s->cache->keys + at, *values = (const float *)s->cache->values + at;
    LOOK(FLOAT32)
  } else {
    const void *keys = (const uint16_t *)s->cache->keys + at, *values = (const uint16_t *)s->cache->values + at;
    LOOK(BFLOAT16)
  }
}

/* Every thread takes neighbouring tasks: pieces that follow each other, and the rows of one sequence over each. */
static void attend(const struct step *s, int number, int thread, int threads) {
  int turn = 0, tasks = 0, first, last;
  for (int row = 0; row < s->rows; row++)
    if (row + 1 == s->rows || s->slot[row + 1] != s->slot[row])
      tasks += (s->position[row] / PIECE + 1) * s->net->kv_heads;
  share(tasks, thread, threads, &first, &last);
  for (int row = 0; row < s->rows;) {
    int end = row + 1;
    while (end < s->rows && s->slot[end] == s->slot[row])
      end++;
    int pieces = s->position[end - 1] / PIECE + 1;
    for (int kv_head = 0; kv_head < s->net->kv_heads; kv_head++)
      for (int piece = 0; piece < pieces; piece++)
        if (turn++ >= first && turn <= last)
          for (int r = row; r < end; r++)
            if (piece * PIECE <= s->position[r])
              look(s, number, r, kv_head, piece);
    row = end;
  }
}

/* Pieces become one row of attention, in order. */
static void join(const struct step *s, void *y) {
  const int dim = s->net->head_dim, heads = s->net->heads;
  for (int64_t at = 0; at < (int64_t)s->rows * heads; at++) {
    int pieces = s->position[at / heads] / PIECE + 1;
    const float *part = s->part + at * s->pieces * (2 + dim);
    float most = part[0], shares = 0.0f;
    for (int piece = 1; piece < pieces; piece++)
      most = part[piece * (2 + dim)] > most ? part[piece * (2 + dim)] : most;
    float out[MAX_HEAD_DIM] __attribute__((aligned(64))) = {};
    for (int piece = 0; piece < pieces; piece++) {
      const float *p = part + piece * (2 + dim);
      float weight = expf(p[0] - most);
      shares += weight * p[1];
      for (int i = 0; i < dim; i += LANES)
        store(out + i, load(out + i) + splat(weight) * load(p + 2 + i));
    }
    for (int i = 0; i < dim; i += LANES)
      store_lanes(s->kind, y, at * dim + i, load(out + i) / splat(shares));
  }
}

/* x += y W^T */
static void add(const struct step *s, const struct matrix *w, const void *y, int inputs, int thread, int threads) {
  int width = s->net->width, first, end;
  share(width / ROWS, thread, threads, &first, &end);
  for (int64_t n = (int64_t)first * ROWS; n < (int64_t)end * ROWS; n += ROWS) {
    int64_t row[ROWS] = {n, n + 1, n + 2, n + 3};
    for (int m = 0; m < s->rows; m += COLUMNS) {
      float out[ROWS * COLUMNS];
      int columns = s->rows - m < COLUMNS ? s->rows - m : COLUMNS;
      dots(s->kind, w, row, row_of(s, y, m, inputs), inputs, columns, inputs, out);
      for (int c = 0; c < columns; c++)
        for (int r = 0; r < ROWS; r++)
          s->x[(int64_t)(m + c) * width + n + r] += out[c * ROWS + r];
    }
  }
}

/* act = silu(y G^T) * (y U^T) */
static void gate(const struct step *s, const struct matrix *w, const void *y, int thread, int threads) {
  int width = s->net->width, inner = s->net->inner, first, end;
  float *gates = s->gates + (int64_t)thread * s->rows * 2 * LANES; /* (rows, gate and up, LANES) */
  share(inner / LANES, thread, threads, &first, &end);
  for (int64_t i = (int64_t)first * LANES; i < (int64_t)end * LANES; i += LANES) {
    for (int j = 0; j < LANES; j += 2) {
      int64_t row[ROWS] = {i + j, i + j + 1, inner + i + j, inner + i + j + 1};
      for (int m = 0; m < s->rows; m += COLUMNS) {
        float out[ROWS * COLUMNS];
        int columns = s->rows - m < COLUMNS ? s->rows - m : COLUMNS;
        dots(s->kind, w, row, row_of(s, y, m, width), width, columns, width, out);
        for (int c = 0; c < columns; c++)
          for (int r = 0; r < 2; r++) {
            gates[(m + c) * 2 * LANES + j + r] = out[c * ROWS + r];
            gates[(m + c) * 2 * LANES + LANES + j + r] = out[c * ROWS + 2 + r];
          }
      }
    }
    for (int m = 0; m < s->rows; m++) {
      lanes g = load(gates + m * 2 * LANES), u = load(gates + m * 2 * LANES + LANES);
      store_lanes(s->kind, s->act, (int64_t)m * inner + i, g / (splat(1.0f) + exponential(-g)) * u);
    }
  }
}

struct best {
  float logit;
  int32_t id;
};

/* The best id of each row among this thread's; the lowest where two are equal. */
static void choose(const struct step *s, const void *y, struct best *best, float *logits, int thread, int threads) {
  const struct network *net = s->net;
  int vocab = net->vocab, units = (vocab + ROWS - 1) / ROWS, first, end;
  share(units, thread, threads, &first, &end);
  for (int m = 0; m < s->rows; m++)
    best[m] = (struct best){-INFINITY, 0};
  for (int64_t n = (int64_t)first * ROWS; n < (int64_t)end * ROWS; n += ROWS) {
    int64_t row[ROWS];
    for (int r = 0; r < ROWS; r++)
      row[r] = n + r < vocab ? n + r : vocab - 1;
    for (int m = 0; m < s->rows; m += COLUMNS) {
      float out[ROWS * COLUMNS];
      int columns = s->rows - m < COLUMNS ? s->rows - m : COLUMNS;
      dots(s->kind, &net->head, row, row_of(s, y, m, net->width), net->width, columns, net->width, out);
      for (int c = 0; c < columns; c++)
        for (int r = 0; r < ROWS && n + r < vocab; r++) {
          float logit = out[c * ROWS + r];
          if (logits)
            logits[(int64_t)(m + c) * vocab + n + r] = logit;
          if (logit > best[m + c].logit)
            best[m + c] = (struct best){logit, (int32_t)(n + r)};
        }
    }
  }
}

static void embed(const struct step *s, const int32_t *ids) {
  const struct network *net = s->net;
  for (int m = 0; m < s->rows; m++)
    for (int i = 0; i < net->width; i += LANES) {
      int64_t at = (int64_t)ids[m] * net->width + i;
      lanes x = net->embedding.kind == FLOAT32 ? load_any(FLOAT32, net->embedding.data, at)
                                               : load_any(BFLOAT16, net->embedding.data, at);
      store(s->x + (int64_t)m * net->width + i, x);
    }
}

/* ids, slot, position: (rows); rows of one slot stand together, in order. next: (rows), the likeliest ids.
logits: (rows, vocab) or NULL. Returns 0, or 1 if there is no memory. */
int smoldocling_step(const struct network *net, const struct cache *cache, int32_t rows, const int32_t *ids,
                     const int32_t *slot, const int32_t *position, int32_t *next, float *logits) {
  struct step s = {.net = net, .cache = cache, .slot = slot, .position = position, .rows = rows, .pieces = 1, .kind = factors(net)};
  for (int m = 0; m < rows; m++)
    s.pieces = position[m] / PIECE + 1 > s.pieces ? position[m] / PIECE + 1 : s.pieces;
  int64_t queries = (int64_t)net->heads * net->head_dim;
  int64_t widest = net->width > queries ? net->width : queries;
  int64_t sizes[] = {
      rows * net->width,
      rows * queries,
      (int64_t)rows * net->inner,
      net->threads * rows * widest, /* each thread's y */
      (int64_t)net->threads * rows * 2 * LANES,
      rows * net->heads * s.pieces * (2 + net->head_dim),
  };
  int64_t floats = 0;
  for (int i = 0; i < 6; i++)
    floats += sizes[i];
  float *scratch = aligned_alloc(64, ((size_t)floats * sizeof *scratch + 63) / 64 * 64);
  struct best *best = malloc((size_t)rows * net->threads * sizeof *best);
  if (!scratch || !best) {
    free(scratch);
    free(best);
    return 1;
  }
  s.x = scratch;
  s.q = s.x + sizes[0];
  s.act = s.q + sizes[1];
  float *own = s.q + sizes[1] + sizes[2];
  s.gates = own + sizes[3];
  s.part = s.gates + sizes[4];
  embed(&s, ids);
#pragma omp parallel num_threads(net->threads)
  {
    int thread = omp_get_thread_num(), threads = omp_get_num_threads();
    float *y = own + (int64_t)thread * rows * widest;
    for (int number = 0; number < net->layers; number++) {
      const struct layer *layer = &net->layer[number];
      normalise(&s, layer->attention_norm, y);
      project(&s, number, y, thread, threads);
#pragma omp barrier
      attend(&s, number, thread, threads);
#pragma omp barrier
      join(&s, y);
      add(&s, &layer->out, y, (int)queries, thread, threads);
#pragma omp barrier
      normalise(&s, layer->inner_norm, y);
      gate(&s, &layer->gate_up, y, thread, threads);
#pragma omp barrier
      add(&s, &layer->down, s.act, net->inner, thread, threads);
#pragma omp barrier
    }
    normalise(&s, net->norm, y);
    choose(&s, y, best + (int64_t)thread * rows, logits, thread, threads);
#pragma omp barrier
#pragma omp single
    for (int m = 0; m < rows; m++) {
      struct best found = best[m];
      for (int t = 1; t < threads; t++) /* threads hold ids in rising order */
        if (best[(int64_t)t * rows + m].logit > found.logit)
          found = best[(int64_t)t * rows + m];
      next[m] = found.id;
    }
  }
  free(scratch);
  free(best);
  return 0;
}
