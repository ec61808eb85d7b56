/* What trunks of residual blocks are made of. */

static void enter(const float *features, float *hidden, int n) {
  ALIGNED float start[ROWS * BATCH];
  affine_of_scalars(entry_scalar_weight, entry_bias, WIDTH, features, start, n);
  EACH_LEVEL {
    memcpy(hidden_at(hidden, k), start, sizeof start);
    add_full_product(entry_profile_weight, WIDTH, CHANNELS, profile_at(features, k),
                     hidden_at(hidden, k), n);
  }
}

PRIVATE void activate(float *rows, int number) {
  for (int i = 0; i < number * BATCH; i++) rows[i] = gelu_of(rows[i]);
}

PRIVATE void add_rows(const float *rows, int number, float *to) {
  for (int i = 0; i < number * BATCH; i++) to[i] += rows[i];
}

/* Layer normalisation of the hidden variables of a level; row r goes to row r * stride. */
PRIVATE void normalise(const float *hidden, const float *weight, const float *bias, float *to,
                       int stride) {
  ALIGNED float mean[BATCH], inverse[BATCH];
  EACH_COLUMN mean[c] = inverse[c] = 0.0f;
  for (int r = 0; r < WIDTH; r++) EACH_COLUMN mean[c] += hidden[r * BATCH + c];
  EACH_COLUMN mean[c] /= WIDTH;
  for (int r = 0; r < WIDTH; r++) EACH_COLUMN {
    const float deviation = hidden[r * BATCH + c] - mean[c];
    inverse[c] += deviation * deviation;
  }
  EACH_COLUMN inverse[c] = 1.0f / sqrtf(inverse[c] / WIDTH + NORM_EPSILON);
  for (int r = 0; r < WIDTH; r++, to += (size_t)stride * BATCH) EACH_COLUMN
    to[c] = weight[r] * ((hidden[r * BATCH + c] - mean[c]) * inverse[c]) + bias[r];
}
