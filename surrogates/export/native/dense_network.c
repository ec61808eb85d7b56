/* closurax.surrogates.columns.DenseNetwork: a residual multilayer perceptron. */

static void predict(const float *features, float *prediction, int n) {
  ALIGNED float hidden[PADDED(WIDTH) * BATCH], change[PADDED(WIDTH) * BATCH];
  repeat_bias(entry_bias, WIDTH, hidden);
  add_product(entry_weight, WIDTH, entry_runs, ENTRY_RUNS, features, hidden, n);
  for (int i = 0; i < WIDTH * BATCH; i++) hidden[i] = activation(hidden[i]);
  for (int layer = 0; layer < LAYERS; layer++) {
    repeat_bias(layer_bias[layer], WIDTH, change);
    add_full_product(layer_weight[layer], WIDTH, WIDTH, hidden, change, n);
    for (int i = 0; i < WIDTH * BATCH; i++) hidden[i] += activation(change[i]);
  }
  repeat_bias(exit_bias, PREDICTIONS, prediction);
  add_full_product(exit_weight, PREDICTIONS, WIDTH, hidden, prediction, n);
}
