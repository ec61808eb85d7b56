/* closurax.surrogates.columns.LevelConvolution: residual convolutions along the levels. */

static void convolve(int block, float *hidden, float *normed, int n) {
  ALIGNED float inner[ROWS * BATCH], change[ROWS * BATCH];
  EACH_LEVEL normalise(hidden_at(hidden, k), norm_weight[block], norm_bias[block],
                       hidden_at(normed, k), 1);
  EACH_LEVEL {
    repeat_bias(convolution_bias[block], WIDTH, inner);
    for (int tap = 0; tap < TAPS; tap++) {
      const int level = k + (tap - TAPS / 2) * dilations[block];
      if (level >= 0 && level < LEVELS)
        add_full_product(convolution_weight[block][tap], WIDTH, WIDTH, hidden_at(normed, level),
                         inner, n);
    }
    activate(inner, WIDTH);
    affine(exit_weight[block], exit_bias[block], WIDTH, WIDTH, inner, change, n);
    add_rows(change, WIDTH, hidden_at(hidden, k));
  }
}

static void trunk(const float *features, float *hidden, int n) {
  ALIGNED float normed[LEVELS * ROWS * BATCH];
  enter(features, hidden, n);
  for (int block = 0; block < BLOCKS; block++) convolve(block, hidden, normed, n);
}
