/* What networks over levels are made of. Hidden variables are stored level by level, ROWS rows of
   a block of columns on each. */

#define ROWS PADDED(WIDTH)
#define SCALARS (FEATURES - LEVELS * CHANNELS)
#define EACH_LEVEL for (int k = 0; k < LEVELS; k++)

INLINED const float *profile_at(const float *features, int level) {
  return features + (size_t)level * CHANNELS * BATCH;
}

INLINED float *hidden_at(float *hidden, int level) { return hidden + (size_t)level * ROWS * BATCH; }

/* A layer on each level that reads profile and scalars has two matrices: the share of the scalars
   is the same on all levels. */
PRIVATE void affine_of_scalars(const float *w, const float *bias, int rows, const float *features,
                               float *to, int n) {
  affine(w, bias, rows, SCALARS, profile_at(features, LEVELS), to, n);
}
