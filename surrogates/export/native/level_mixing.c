/* closurax.surrogates.columns.LevelMixing: dense layers across the levels of each hidden variable
   in turn with dense layers across the hidden variables of each level. */

static void mix_levels(int block, float *hidden, float *normed, int n) {
  ALIGNED float inner[PADDED(2 * LEVELS) * BATCH], change[PADDED(LEVELS) * BATCH];
  /* Variable by variable, so that the levels of each are the rows of one vector. */
  EACH_LEVEL normalise(hidden_at(hidden, k), level_norm_weight[block], level_norm_bias[block],
                       normed + k * BATCH, LEVELS);
  for (int variable = 0; variable < WIDTH; variable++) {
    affine(level_first_weight[block], level_first_bias[block], 2 * LEVELS, LEVELS,
           normed + (size_t)variable * LEVELS * BATCH, inner, n);
    activate(inner, 2 * LEVELS);
    affine(level_second_weight[block], level_second_bias[block], LEVELS, 2 * LEVELS, inner,
           change, n);
    EACH_LEVEL add_rows(change + k * BATCH, 1, hidden_at(hidden, k) + variable * BATCH);
  }
}

static void mix_variables(int block, float *hidden, int n) {
  ALIGNED float normed[ROWS * BATCH], inner[PADDED(2 * WIDTH) * BATCH], change[ROWS * BATCH];
  EACH_LEVEL {
    normalise(hidden_at(hidden, k), variable_norm_weight[block], variable_norm_bias[block],
              normed, 1);
    affine(variable_first_weight[block], variable_first_bias[block], 2 * WIDTH, WIDTH, normed,
           inner, n);
    activate(inner, 2 * WIDTH);
    affine(variable_second_weight[block], variable_second_bias[block], WIDTH, 2 * WIDTH, inner,
           change, n);
    add_rows(change, WIDTH, hidden_at(hidden, k));
  }
}

static void trunk(const float *features, float *hidden, int n) {
  ALIGNED float normed[WIDTH * LEVELS * BATCH];
  enter(features, hidden, n);
  for (int block = 0; block < BLOCKS; block++) {
    mix_levels(block, hidden, normed, n);
    mix_variables(block, hidden, n);
  }
}
