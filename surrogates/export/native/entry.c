/* What a host calls. */

/* By its bits, so that no compiler option that forgets about NaN takes the check away. */
INLINED int32_t is_wild(float value) {
  int32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return (bits & 0x7f800000) == 0x7f800000;
}

#define READ(name) in->name,

static int check_column(const closurax_inputs *in, int column) {
  const float *const profiles[] = {EACH_PROFILE(READ)}, *const scalars[] = {EACH_SCALAR(READ)};
  const size_t start = (size_t)column * LEVELS;
  int32_t wild = 0, rises = 0, beyond = 0, unlike = 0;
  for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++)
    for (int k = 0; k < LEVELS; k++) wild |= is_wild(profiles[i][start + k]);
  for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++)
    wild |= is_wild(scalars[i][column]);
  if (wild) return CLOSURAX_NOT_FINITE;
  const float *pressure = in->air_pressure + start, *temperature = in->air_temperature + start;
  const float *density = in->air_density + start, *thickness = in->layer_thickness + start;
  const float *vapour = in->vapour_mixing_ratio + start;
  for (int k = 1; k < LEVELS; k++) rises |= pressure[k] >= pressure[k - 1];
  if (rises) return CLOSURAX_PRESSURE;
  for (int k = 0; k < LEVELS; k++) {
    beyond |= (pressure[k] < 10.0f) | (pressure[k] > 1.2e5f);
    beyond |= (temperature[k] < 100.0f) | (temperature[k] > 400.0f);
    beyond |= (thickness[k] <= 0.0f) | (vapour[k] > 0.2f);
    const float expected = density[k] * 287.0f * temperature[k] * (1.0f + 0.608f * vapour[k]);
    unlike |= fabsf(expected - pressure[k]) > 0.1f * pressure[k];
  }
  beyond |= (in->grid_spacing[column] <= 0.0f) | (in->time_step[column] <= 0.0f);
  beyond |= (in->friction_velocity[column] < 0.0f) | (pressure[0] < 2e4f);
  if (beyond) return CLOSURAX_RANGE;
  return unlike ? CLOSURAX_DENSITY : CLOSURAX_OK;
}

INLINED void copy_lane(const air *from, int lane, air *to, int slot) {
  const float *source = (const float *)from + lane;
  float *target = (float *)to + slot;
  for (size_t i = 0; i < sizeof(air) / sizeof(lanes); i++) target[i * LANES] = source[i * LANES];
}

/* Columns where convection is possible wait until there are LANES of them to be described, and
   the described ones until there are BATCH for the network. */
typedef struct {
  ALIGNED air waiting;
  ALIGNED float features[FEATURES * BATCH], prediction[PADDED(PREDICTIONS) * BATCH];
  ALIGNED float timescale[BATCH];
  int columns[BATCH];
  int described, waits;
} queue;

static void describe_waiting(queue *q) {
  if (!q->waits) return;
  for (int slot = q->waits; slot < LANES; slot++) copy_lane(&q->waiting, 0, &q->waiting, slot);
  describe(&q->waiting, q->features + q->described, q->timescale + q->described);
  q->described += q->waits;
  q->waits = 0;
}

static void conclude_described(queue *q, const closurax_inputs *in, const closurax_outputs *out) {
  if (!q->described) return;
  predict(q->features, q->prediction, q->described);
  for (int start = 0; start < q->described; start += LANES) {
    const int n = q->described - start < LANES ? q->described - start : LANES;
    conclude(in, q->columns + start, n, q->prediction + start, q->timescale + start, out);
  }
  q->described = 0;
}

static int is_missing(const closurax_inputs *in, const closurax_outputs *out) {
  if (!in || !out) return 1;
  const float *const read[] = {EACH_PROFILE(READ) EACH_SCALAR(READ)};
  const float *const written[] = {EACH_TENDENCY(WRITTEN) EACH_RESULT(WRITTEN)};
  int missing = 0;
  for (size_t i = 0; i < sizeof read / sizeof *read; i++) missing |= !read[i];
  for (size_t i = 0; i < sizeof written / sizeof *written; i++) missing |= !written[i];
  return missing;
}

int closurax_convection(int columns, int levels, const closurax_inputs *in,
                        const closurax_outputs *out) {
  if (columns < 0) return CLOSURAX_COLUMNS;
  if (levels != LEVELS) return CLOSURAX_WRONG_LEVELS;
  if (columns == 0) return CLOSURAX_OK;
  if (is_missing(in, out)) return CLOSURAX_NULL;
  for (int column = 0; column < columns; column++) {
    const int code = check_column(in, column);
    if (code) return code;
  }
  air met;
  queue q;
  int met_columns[LANES], possible[LANES];
  q.described = q.waits = 0;
  /* A block of less than BATCH columns computes with the rest too, which must be numbers. */
  memset(q.features, 0, sizeof q.features);
  for (int start = 0; start < columns; start += LANES) {
    const int n = columns - start < LANES ? columns - start : LANES;
    for (int c = 0; c < n; c++) met_columns[c] = start + c;
    examine(in, met_columns, n, &met, possible);
    for (int c = 0; c < n; c++) {
      if (!possible[c]) {
        return_nothing(out, start + c);
        continue;
      }
      copy_lane(&met, c, &q.waiting, q.waits);
      q.columns[q.described + q.waits++] = start + c;
      if (q.waits == LANES) describe_waiting(&q);
      if (q.described == BATCH) conclude_described(&q, in, out);
    }
  }
  describe_waiting(&q);
  conclude_described(&q, in, out);
  return CLOSURAX_OK;
}

int closurax_convection_levels(void) { return LEVELS; }

const char *closurax_convection_version(void) { return VERSION; }

const char *closurax_convection_message(int code) {
  switch (code) {
    case CLOSURAX_OK: return "ok";
    case CLOSURAX_COLUMNS: return "the number of columns is negative";
    case CLOSURAX_WRONG_LEVELS: return "the scheme is for another number of levels";
    case CLOSURAX_NULL: return "an array is missing (NULL)";
    case CLOSURAX_NOT_FINITE: return "an input is NaN or infinite";
    case CLOSURAX_PRESSURE:
      return "air_pressure does not decrease with the level: transposed, or from the top down?";
    case CLOSURAX_RANGE: return "an input is outside of what air can be: units?";
    case CLOSURAX_DENSITY:
      return "air_density is not that of pressure and temperature: transposed, or units?";
    default: return "unknown code";
  }
}
