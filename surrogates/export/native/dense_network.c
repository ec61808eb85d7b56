/* closurax.surrogates.columns.DenseNetwork: a residual multilayer perceptron. */

static void predict(const float *features, float *prediction, int n) {
  ALIGNED float hidden[PADDED(WIDTH) * BATCH], change[PADDED(WIDTH) * BATCH];
  repeat_bias(entry_bias, WIDTH, hidden);
  add_product(entry_weight, WIDTH, entry_runs, ENTRY_RUNS, features, hidden, n);
  for (int i = 0; i < WIDTH * BATCH; i++) hidden[i] = ACTIVATION(hidden[i]);
  for (int layer = 0; layer < LAYERS; layer++) {
    affine(layer_weight[layer], layer_bias[layer], WIDTH, WIDTH, hidden, change, n);
    for (int i = 0; i < WIDTH * BATCH; i++) hidden[i] += ACTIVATION(change[i]);
  }
  affine(exit_weight, exit_bias, PREDICTIONS, WIDTH, hidden, prediction, n);
}
