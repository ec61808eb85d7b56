/* Products of a matrix with a block of columns: to[row][column] += sum_k w[row][k] x[k][column].

   Matrices are stored in panels of PANEL rows, in a panel input by input, so that a product reads
   them once and in order. Accumulators stay in registers: PANEL / 2 or PANEL rows by two vectors
   of columns. `step` is the distance of the weights of one input from those of the next. */

#define PANELS(rows) (((rows) + PANEL - 1) / PANEL)
#define PADDED(rows) (PANELS(rows) * PANEL)

#if defined(__GNUC__)

#if defined(__AVX512F__)
#define SIMD 16
#define TILE 8
#elif defined(__AVX__)
#define SIMD 8
#define TILE 4
#elif defined(__aarch64__)
#define SIMD 4
#define TILE 8
#else
#define SIMD 4
#define TILE 4
#endif

typedef float simd __attribute__((vector_size(4 * SIMD), aligned(4 * SIMD)));
typedef float panel_row __attribute__((vector_size(4 * PANEL), aligned(4)));

#if TILE == 8
#define EACH_TILE_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)
#else
#define EACH_TILE_ROW(DO) DO(0) DO(1) DO(2) DO(3)
#endif
#define TWO_START(r)                                                  \
  simd p##r = *(const simd *)(to + r * BATCH);                        \
  simd q##r = *(const simd *)(to + r * BATCH + SIMD);
#define TWO_STEP(r) \
  p##r += w[r] * u; \
  q##r += w[r] * v;
#define TWO_END(r)                         \
  *(simd *)(to + r * BATCH) = p##r;        \
  *(simd *)(to + r * BATCH + SIMD) = q##r;
#define ONE_START(r) simd p##r = *(const simd *)(to + r * BATCH);
#define ONE_STEP(r) p##r += w[r] * u;
#define ONE_END(r) *(simd *)(to + r * BATCH) = p##r;

/* A tile of TILE rows by two vectors of columns. */
static void tile_of_two(const float *w, int step, int inputs, const float *x, float *to) {
  EACH_TILE_ROW(TWO_START)
  for (int k = 0; k < inputs; k++, w += step, x += BATCH) {
    const simd u = *(const simd *)x, v = *(const simd *)(x + SIMD);
    EACH_TILE_ROW(TWO_STEP)
  }
  EACH_TILE_ROW(TWO_END)
}

static void tile_of_one(const float *w, int step, int inputs, const float *x, float *to) {
  EACH_TILE_ROW(ONE_START)
  for (int k = 0; k < inputs; k++, w += step, x += BATCH) {
    const simd u = *(const simd *)x;
    EACH_TILE_ROW(ONE_STEP)
  }
  EACH_TILE_ROW(ONE_END)
}

/* One column; here the vector is along the rows. */
static void panel_of_one_column(const float *w, int step, int inputs, const float *x, float *to) {
  panel_row even, odd = {0};
  for (int r = 0; r < PANEL; r++) even[r] = to[r * BATCH];
  int k = 0;
  for (; k + 1 < inputs; k += 2, w += 2 * step, x += 2 * BATCH) {
    even += *(const panel_row *)w * x[0];
    odd += *(const panel_row *)(w + step) * x[BATCH];
  }
  if (k < inputs) even += *(const panel_row *)w * x[0];
  even += odd;
  for (int r = 0; r < PANEL; r++) to[r * BATCH] = even[r];
}

static void panel_product(const float *w, int step, int inputs, const float *x, float *to, int n) {
  if (n <= 3) {
    for (int c = 0; c < n; c++) panel_of_one_column(w, step, inputs, x + c, to + c);
    return;
  }
  for (int c = 0; c < n;) {
    const int two = n - c > SIMD;
    for (int r = 0; r < PANEL; r += TILE) {
      if (two)
        tile_of_two(w + r, step, inputs, x + c, to + r * BATCH + c);
      else
        tile_of_one(w + r, step, inputs, x + c, to + r * BATCH + c);
    }
    c += two ? 2 * SIMD : SIMD;
  }
}

#else

static void panel_product(const float *w, int step, int inputs, const float *x, float *to, int n) {
  (void)n;
  for (int k = 0; k < inputs; k++, w += step, x += BATCH)
    for (int r = 0; r < PANEL; r++)
      for (int c = 0; c < BATCH; c++) to[r * BATCH + c] += w[r] * x[c];
}

#endif

/* The first `n` columns; `to` has PADDED(rows) rows and starts from what it should be added to.
   `runs` are the pairs (first row, number) of the rows of `x` that belong to the matrix. */
PRIVATE void add_product(const float *w, int rows, const int (*runs)[2], int number,
                         const float *x, float *to, int n) {
  int inputs = 0;
  for (int i = 0; i < number; i++) inputs += runs[i][1];
  for (int panel = 0; panel < PANELS(rows); panel++) {
    const float *panel_w = w + (size_t)panel * inputs * PANEL;
    for (int i = 0; i < number; i++) {
      panel_product(panel_w, PANEL, runs[i][1], x + (size_t)runs[i][0] * BATCH,
                    to + (size_t)panel * PANEL * BATCH, n);
      panel_w += runs[i][1] * PANEL;
    }
  }
}

PRIVATE void add_full_product(const float *w, int rows, int inputs, const float *x, float *to,
                              int n) {
  const int runs[1][2] = {{0, inputs}};
  add_product(w, rows, runs, 1, x, to, n);
}

/* With the matrix of elements `kernel[row - input]`, as many rows as inputs. */
PRIVATE void add_toeplitz_product(const float *kernel, int rows, const float *x, float *to,
                                  int n) {
  for (int panel = 0; panel < PANELS(rows); panel++)
    panel_product(kernel + panel * PANEL, -1, rows, x, to + (size_t)panel * PANEL * BATCH, n);
}

PRIVATE void repeat_bias(const float *bias, int rows, float *to) {
  for (int r = 0; r < PADDED(rows); r++, to += BATCH) EACH_COLUMN to[c] = r < rows ? bias[r] : 0.0f;
}

/* to = bias + w x, padded with zeros. */
PRIVATE void affine(const float *w, const float *bias, int rows, int inputs, const float *x,
                    float *to, int n) {
  repeat_bias(bias, rows, to);
  add_full_product(w, rows, inputs, x, to, n);
}
