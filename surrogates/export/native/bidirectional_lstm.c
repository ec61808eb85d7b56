/* closurax.surrogates.columns.BiLSTM: the first half of the hidden variables of a level is what
   was read upwards, the second half what was read downwards. */

#define GATES (4 * HIDDEN)

/* sigmoid(gate) tanh(x), with one division. */
INLINED float gated(float gate, float x) {
  const float growth = exp_of(2.0f * within(x, -15.0f, 15.0f));
  return (growth - 1.0f) / ((1.0f + exp_of(-gate)) * (growth + 1.0f));
}

/* One layer in one direction. `start` is what the gates are on all levels before the inputs of a
   level, `size` rows beginning at x + k * stride, are added. */
static void read_levels(const float *start, const float *input_weight, const float *x, int size,
                        int stride, const float *state_weight, int down, float *hidden, int n) {
  ALIGNED float gates[PADDED(GATES) * BATCH], memory[HIDDEN * BATCH];
  const float *before = NULL;
  memset(memory, 0, sizeof memory);
  EACH_LEVEL {
    const int level = down ? LEVELS - 1 - k : k;
    float *now = hidden_at(hidden, level) + (down ? HIDDEN * BATCH : 0);
    memcpy(gates, start, sizeof gates);
    add_full_product(input_weight, GATES, size, x + (size_t)level * stride * BATCH, gates, n);
    if (before) add_full_product(state_weight, GATES, HIDDEN, before, gates, n);
    for (int r = 0; r < HIDDEN; r++) EACH_COLUMN {
      const float *gate = gates + r * BATCH + c;
      const float admit = gate[0], keep = gate[HIDDEN * BATCH];
      const float candidate = gate[2 * HIDDEN * BATCH], release = gate[3 * HIDDEN * BATCH];
      float *kept = memory + r * BATCH + c;
      *kept = sigmoid_of(keep) * *kept + gated(admit, candidate);
      now[r * BATCH + c] = gated(release, *kept);
    }
    before = now;
  }
}

static void trunk(const float *features, float *hidden, int n) {
  ALIGNED float other[LEVELS * ROWS * BATCH], start[PADDED(GATES) * BATCH];
  for (int layer = 0; layer < LAYERS; layer++) {
    /* In turns, so that the last layer writes to `hidden`. */
    const int last = (LAYERS - layer) % 2;
    float *to = last ? hidden : other, *from = last ? other : hidden;
    for (int down = 0; down < 2; down++) {
      const float *bias = gate_bias[layer][down], *weight = state_weight[layer][down];
      if (layer == 0) {
        affine_of_scalars(scalar_weight[down], bias, GATES, features, start, n);
        read_levels(start, profile_weight[down], features, CHANNELS, CHANNELS, weight, down, to,
                    n);
      } else {
        repeat_bias(bias, GATES, start);
        read_levels(start, input_weight[layer - 1][down], from, WIDTH, ROWS, weight, down, to, n);
      }
    }
  }
}
