/* The features of closurax.surrogates.columns.ColumnFeatures; they rule no convection out. */

typedef struct {
  lanes temperature[LEVELS], mixing_ratio[LEVELS], pressure[LEVELS], eastward_wind[LEVELS];
  lanes northward_wind[LEVELS], vertical_velocity[LEVELS], density[LEVELS], thickness[LEVELS];
  lanes grid_spacing, time_step, friction_velocity, heat_flux, boundary_layer_height, stability;
} air;

static void examine(const closurax_inputs *in, const int *columns, int n, air *a, int *possible) {
  load_profile(in->air_temperature, columns, n, a->temperature);
  load_profile(in->vapour_mixing_ratio, columns, n, a->mixing_ratio);
  load_profile(in->air_pressure, columns, n, a->pressure);
  load_profile(in->eastward_wind, columns, n, a->eastward_wind);
  load_profile(in->northward_wind, columns, n, a->northward_wind);
  load_profile(in->mean_vertical_velocity, columns, n, a->vertical_velocity);
  load_profile(in->air_density, columns, n, a->density);
  load_profile(in->layer_thickness, columns, n, a->thickness);
  load_scalar(in->grid_spacing, columns, n, a->grid_spacing);
  load_scalar(in->time_step, columns, n, a->time_step);
  load_scalar(in->friction_velocity, columns, n, a->friction_velocity);
  load_scalar(in->sensible_heat_flux, columns, n, a->heat_flux);
  load_scalar(in->boundary_layer_height, columns, n, a->boundary_layer_height);
  load_scalar(in->stability_parameter, columns, n, a->stability);
  EACH_LANE possible[c] = 1;
}

/* Row `row` of the features, standardised. */
INLINED void tell(float *features, int row, const float *raw) {
  const float mean = feature_mean[row], inverse = feature_inverse_scale[row];
  float *to = features + (size_t)row * BATCH;
  EACH_LANE to[c] = within((raw[c] - mean) * inverse, -8.0f, 8.0f);
}

#define TELL(expression)                          \
  do {                                            \
    ALIGNED lanes raw;                            \
    EACH_LANE raw[c] = (expression);              \
    tell(features, row++, raw);                   \
  } while (0)

static void describe(const air *a, float *features, float *timescale) {
  int row = 0;
  for (int k = 0; k < LEVELS; k++) {
    ALIGNED lanes saturation;
    EACH_LANE {
      const float temperature = a->temperature[k][c];
      const float vapour_pressure =
          611.2f * exp_of((17.67f * temperature - (float)(17.67 * 273.15)) /
                          (temperature - 29.65f));
      saturation[c] = 0.622f * vapour_pressure / (a->pressure[k][c] - vapour_pressure);
    }
    TELL(a->temperature[k][c]);
    TELL(log_of(most(a->mixing_ratio[k][c], 1e-8f)));
    TELL(a->mixing_ratio[k][c] / saturation[c]);
    TELL(a->eastward_wind[k][c]);
    TELL(a->northward_wind[k][c]);
    TELL(a->vertical_velocity[k][c]);
    TELL(log_of(a->pressure[k][c]));
    TELL(a->density[k][c]);
    TELL(a->thickness[k][c]);
  }
  TELL(log_of(a->grid_spacing[c]));
  TELL(1.0f + log_of(most(25e3f / a->grid_spacing[c], 1.0f)));
  TELL(log_of(a->time_step[c]));
  TELL(a->friction_velocity[c]);
  TELL(a->heat_flux[c]);
  TELL(a->boundary_layer_height[c]);
  TELL(within(a->stability[c], -10.0f, 10.0f));
  EACH_LANE timescale[c] = 3600.0f;
}
