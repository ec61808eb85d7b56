/* The features of closurax.surrogates.columns.ColumnFeatures; they rule no convection out. */

typedef column_inputs air;

static void examine(const closurax_inputs *in, const int *columns, int n, air *a, int *possible) {
  load_inputs(in, columns, n, a);
  EACH_LANE possible[c] = 1;
}

static void describe(const air *a, float *features, float *timescale) {
  int row = 0;
  for (int k = 0; k < LEVELS; k++) {
    TELL(a->air_temperature[k][c]);
    TELL(log_of(most(a->vapour_mixing_ratio[k][c], 1e-8f)));
    TELL(a->vapour_mixing_ratio[k][c] /
         saturation_mixing_ratio(a->air_pressure[k][c], a->air_temperature[k][c]));
    TELL(a->eastward_wind[k][c]);
    TELL(a->northward_wind[k][c]);
    TELL(a->mean_vertical_velocity[k][c]);
    TELL(log_of(a->air_pressure[k][c]));
    TELL(a->air_density[k][c]);
    TELL(a->layer_thickness[k][c]);
  }
  TELL(log_of(a->grid_spacing[c]));
  TELL(1.0f + log_of(most(25e3f / a->grid_spacing[c], 1.0f)));
  TELL(log_of(a->time_step[c]));
  TELL(a->friction_velocity[c]);
  TELL(a->sensible_heat_flux[c]);
  TELL(a->boundary_layer_height[c]);
  TELL(within(a->stability_parameter[c], -10.0f, 10.0f));
  EACH_LANE timescale[c] = 3600.0f;
}
