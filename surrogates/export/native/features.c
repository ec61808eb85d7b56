/* What the features of all kinds are made of. */

#define AS_PROFILE(name) lanes name[LEVELS];
#define AS_SCALAR(name) lanes name;

/* What the scheme reads, of LANES columns side by side. */
typedef struct {
  EACH_PROFILE(AS_PROFILE)
  EACH_SCALAR(AS_SCALAR)
} column_inputs;

PRIVATE void load_inputs(const closurax_inputs *in, const int *columns, int n,
                         column_inputs *read) {
#define LOAD_PROFILE(name) load_profile(in->name, columns, n, read->name);
#define LOAD_SCALAR(name) load_scalar(in->name, columns, n, read->name);
  EACH_PROFILE(LOAD_PROFILE)
  EACH_SCALAR(LOAD_SCALAR)
}

/* Saturation over liquid water: Bolton 1980, eq. 10. */
#define SATURATION_SLOPE 17.67f
#define SATURATION_OFFSET (float)(17.67 * 273.15)
#define SATURATION_POLE 29.65f

INLINED float saturation_mixing_ratio(float pressure, float temperature) {
  const float vapour_pressure =
      611.2f * exp_of((SATURATION_SLOPE * temperature - SATURATION_OFFSET) /
                      (temperature - SATURATION_POLE));
  return 0.622f * vapour_pressure / (pressure - vapour_pressure);
}

/* Row `row` of the features, standardised. */
INLINED void tell(float *features, int row, const float *raw) {
  const float mean = feature_mean[row], inverse = feature_inverse_scale[row];
  float *to = features + (size_t)row * BATCH;
  EACH_LANE to[c] = within((raw[c] - mean) * inverse, -8.0f, 8.0f);
}

/* The next row of the features; `c` is the lane. */
#define TELL(expression)               \
  do {                                 \
    ALIGNED lanes raw;                 \
    EACH_LANE raw[c] = (expression);   \
    tell(features, row++, raw);        \
  } while (0)
