/* closurax.surrogates.columns.DiagonalStateSpace. What a state space model does to a column is
   the product with a Toeplitz matrix; `kernel` has its elements for each hidden variable, from
   the uppermost input to the lowest. */

static void pass_states(int block, float *hidden, float *normed, float *passed, int n) {
  ALIGNED float answer[PADDED(LEVELS) * BATCH];
  /* Variable by variable, so that the levels of each are the rows of one vector. */
  EACH_LEVEL normalise(hidden_at(hidden, k), norm_weight[block], norm_bias[block],
                       normed + k * BATCH, LEVELS);
  for (int variable = 0; variable < WIDTH; variable++) {
    memset(answer, 0, sizeof answer);
    add_toeplitz_product(kernel[block][variable] + LEVELS - 1, LEVELS,
                         normed + (size_t)variable * LEVELS * BATCH, answer, n);
    activate(answer, LEVELS);
    EACH_LEVEL memcpy(hidden_at(passed, k) + variable * BATCH, answer + k * BATCH,
                      BATCH * sizeof(float));
  }
}

static void trunk(const float *features, float *hidden, int n) {
  ALIGNED float normed[WIDTH * LEVELS * BATCH], passed[LEVELS * ROWS * BATCH];
  ALIGNED float both[PADDED(2 * WIDTH) * BATCH];
  enter(features, hidden, n);
  for (int block = 0; block < BLOCKS; block++) {
    pass_states(block, hidden, normed, passed, n);
    EACH_LEVEL {
      const float *gate = both + WIDTH * BATCH;
      float *to = hidden_at(hidden, k);
      affine(exit_weight[block], exit_bias[block], 2 * WIDTH, WIDTH, hidden_at(passed, k), both,
             n);
      for (int i = 0; i < WIDTH * BATCH; i++) to[i] += both[i] * sigmoid_of(gate[i]);
    }
  }
}
