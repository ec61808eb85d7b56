/* closurax.surrogates.columns.LevelwiseNetwork: a trunk over the levels, a layer on each level, and
   one of the mean, the maximum and a mean weighted by attention of all levels. */

enum { AT_BASE = TENDENCIES, AT_TOP, ATTENTION, OF_LEVEL }; /* rows of the layer on each level */

/* Means and maximum of the hidden variables, given the logarithms of the weights of one mean. */
static void pool(const float *hidden, float *weight, float *pools) {
  ALIGNED float largest[BATCH], total[BATCH];
  EACH_COLUMN largest[c] = weight[c], total[c] = 0.0f;
  EACH_LEVEL EACH_COLUMN largest[c] = most(largest[c], weight[k * BATCH + c]);
  EACH_LEVEL EACH_COLUMN {
    weight[k * BATCH + c] = exp_of(weight[k * BATCH + c] - largest[c]);
    total[c] += weight[k * BATCH + c];
  }
  for (int r = 0; r < WIDTH; r++) {
    float *mean = pools + r * BATCH, *most_of_all = mean + WIDTH * BATCH;
    float *attended = most_of_all + WIDTH * BATCH;
    EACH_COLUMN mean[c] = attended[c] = 0.0f, most_of_all[c] = hidden[r * BATCH + c];
    EACH_LEVEL {
      const float *x = hidden + ((size_t)k * ROWS + r) * BATCH;
      EACH_COLUMN {
        mean[c] += x[c];
        most_of_all[c] = most(most_of_all[c], x[c]);
        attended[c] += weight[k * BATCH + c] * x[c];
      }
    }
    EACH_COLUMN mean[c] /= LEVELS, attended[c] /= total[c];
  }
}

static void predict(const float *features, float *prediction, int n) {
  ALIGNED float hidden[LEVELS * ROWS * BATCH], said[PADDED(OF_LEVEL) * BATCH];
  ALIGNED float weight[LEVELS * BATCH], pools[3 * WIDTH * BATCH], pooled[ROWS * BATCH];
  const size_t row = BATCH * sizeof(float);
  trunk(features, hidden, n);
  EACH_LEVEL {
    affine(level_weight, level_bias, OF_LEVEL, WIDTH, hidden_at(hidden, k), said, n);
    memcpy(prediction + (ROW_TENDENCY + k * TENDENCIES) * BATCH, said, TENDENCIES * row);
    memcpy(prediction + (ROW_BASE + k) * BATCH, said + AT_BASE * BATCH, row);
    memcpy(prediction + (ROW_TOP + k) * BATCH, said + AT_TOP * BATCH, row);
    memcpy(weight + k * BATCH, said + ATTENTION * BATCH, row);
  }
  pool(hidden, weight, pools);
  affine(pool_weight, pool_bias, WIDTH, 3 * WIDTH, pools, pooled, n);
  for (int i = 0; i < WIDTH * BATCH; i++) pooled[i] = silu_of(pooled[i]);
  affine(column_weight, column_bias, 6, WIDTH, pooled, said, n);
  memcpy(prediction + ROW_CLASS * BATCH, said, 3 * row);
  memcpy(prediction + ROW_RAIN * BATCH, said + 3 * BATCH, row);
  memcpy(prediction + ROW_LIFETIME * BATCH, said + 4 * BATCH, row);
  memcpy(prediction + (ROW_BASE + LEVELS) * BATCH, said + 5 * BATCH, row);
}
