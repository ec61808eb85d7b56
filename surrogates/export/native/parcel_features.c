/* The features of closurax.surrogates.columns.ParcelFeatures, in two parts: `examine` finds
   where convection is possible, `describe` computes the features where it is. */

#define GRAVITY 9.81f
#define LOG_START 1e-3f
#define LOG_STEP 0.075f
#define LOGS 200

/* Air of a source layer that starts at some level, and where it is saturated. */
typedef struct {
  lanes source_top, mixing_ratio, theta_e;
  lanes temperature, height, level; /* of saturation */
  lanes around;                     /* the virtual temperature of the environment there */
  lanes velocity, is_triggered;
} parcel;

typedef struct {
  column_inputs read;
  lanes pressure_thickness[LEVELS];
  lanes mixing_ratio[LEVELS], relative_humidity[LEVELS], height[LEVELS];
  parcel parcels[BASES]; /* `describe` adds theta_e */
  lanes source_temperature[BASES], source_pressure[BASES], is_candidate[BASES], margin[BASES];
} air;

INLINED float log_vapour_ratio(float ratio) {
  int32_t index = (int32_t)((ratio - LOG_START) / LOG_STEP);
  index = index < 0 ? 0 : index > LOGS - 2 ? LOGS - 2 : index;
  const float start = (float)index * LOG_STEP + LOG_START;
  const float across = (ratio - start) / LOG_STEP;
  return across * log_nodes[index + 1] + (1.0f - across) * log_nodes[index];
}

INLINED float lifted_temperature(float pressure, float temperature, float mixing_ratio) {
  const float vapour_pressure = mixing_ratio * pressure / (0.622f + mixing_ratio);
  const float ratio = log_vapour_ratio(vapour_pressure / 611.2f);
  const float dew_point =
      (SATURATION_OFFSET - SATURATION_POLE * ratio) / (SATURATION_SLOPE - ratio);
  const float slope =
      0.212f + 1.571e-3f * (dew_point - 273.16f) - 4.36e-4f * (temperature - 273.16f);
  return dew_point - slope * (temperature - dew_point);
}

/* Bolton 1980, eq. 43, with one exponential of the sum of both exponents. */
INLINED float theta_e(float log_ratio, float temperature, float mixing_ratio, float saturated) {
  const float heating = (3374.6525f / saturated - 2.5403f) * mixing_ratio;
  const float exner = 0.2854f * (1.0f - 0.28f * mixing_ratio) * log_ratio;
  return temperature * exp_of(exner + heating * (1.0f + 0.81f * mixing_ratio));
}

INLINED float virtual_temperature(float temperature, float mixing_ratio) {
  return temperature * (1.0f + 0.608f * mixing_ratio);
}

INLINED float least_depth(float temperature) {
  return within(2e3f + 100.0f * (temperature - 273.0f), 2e3f, 4e3f);
}

static void find_environment(const closurax_inputs *in, const int *columns, int n, air *a) {
  load_inputs(in, columns, n, &a->read);
  for (int k = 0; k < LEVELS; k++) EACH_LANE {
    const float saturation =
        saturation_mixing_ratio(a->read.air_pressure[k][c], a->read.air_temperature[k][c]);
    const float mixing_ratio = most(least(saturation, a->read.vapour_mixing_ratio[k][c]), 1e-6f);
    a->mixing_ratio[k][c] = mixing_ratio;
    a->relative_humidity[k][c] = mixing_ratio / saturation;
    a->pressure_thickness[k][c] =
        a->read.air_density[k][c] * GRAVITY * a->read.layer_thickness[k][c];
  }
  const lanes *thickness = a->read.layer_thickness;
  EACH_LANE a->height[0][c] = 0.5f * thickness[0][c];
  for (int k = 1; k < LEVELS; k++) EACH_LANE
    a->height[k][c] = a->height[k - 1][c] + 0.5f * (thickness[k][c] + thickness[k - 1][c]);
}

/* For each base the shallowest layer above 50 hPa of depth, and where its air is saturated. */
static void lift_sources(air *a) {
  ALIGNED lanes threshold, reachable, open;
  EACH_LANE {
    threshold[c] = a->read.air_pressure[0][c] - 1.5e3f;
    reachable[c] = 1.0f;
    open[c] = 1.0f;
  }
  for (int base = 0; base < BASES; base++) {
    parcel *p = &a->parcels[base];
    ALIGNED lanes depth, sum_t, sum_q, sum_h, sum_p, top, height, level, unfinished;
    EACH_LANE depth[c] = sum_t[c] = sum_q[c] = sum_h[c] = sum_p[c] = 0.0f;
    EACH_LANE top[c] = (float)base;
    for (int k = base; k < LEVELS; k++) {
      EACH_LANE {
        const float thickness = depth[c] > 5e3f ? 0.0f : a->pressure_thickness[k][c];
        top[c] = depth[c] > 5e3f ? top[c] : (float)k;
        depth[c] += thickness;
        sum_t[c] += thickness * a->read.air_temperature[k][c];
        sum_q[c] += thickness * a->mixing_ratio[k][c];
        sum_h[c] += thickness * a->height[k][c];
        sum_p[c] += thickness * a->read.air_pressure[k][c];
        unfinished[c] = depth[c] > 5e3f ? 0.0f : 1.0f;
      }
      if (!any_of(unfinished)) break;
    }
    EACH_LANE {
      const float pressure = a->read.air_pressure[base][c];
      const int is_spaced = (base == 0) | (pressure < threshold[c]);
      threshold[c] = (base > 0) & is_spaced ? threshold[c] - 1.5e3f : threshold[c];
      reachable[c] = depth[c] > 5e3f ? reachable[c] : 0.0f;
      a->is_candidate[base][c] =
          is_spaced & (pressure >= a->read.air_pressure[0][c] - 3e4f) ? reachable[c] : 0.0f;
      const float temperature = sum_t[c] / depth[c], mixing_ratio = sum_q[c] / depth[c];
      const float at = sum_p[c] / depth[c];
      const float saturated = least(lifted_temperature(at, temperature, mixing_ratio), temperature);
      p->source_top[c] = top[c];
      a->source_temperature[base][c] = temperature;
      p->mixing_ratio[c] = mixing_ratio;
      a->source_pressure[base][c] = at;
      p->temperature[c] = saturated;
      height[c] = sum_h[c] / depth[c] - (saturated - temperature) * (float)(1004.5 / 9.81);
      level[c] = (float)base;
    }
    /* Heights grow with the level: the first level not below the parcel is a count. */
    for (int k = base; k < LEVELS; k++)
      EACH_LANE level[c] += height[c] > a->height[k][c] ? 1.0f : 0.0f;
    EACH_LANE {
      const int exists = level[c] < LEVELS;
      const float above = most(exists ? level[c] : LEVELS - 1, 1.0f), below = above - 1.0f;
      const float low = at_level(a->height, below, c);
      const float fraction = (height[c] - low) / (at_level(a->height, above, c) - low);
      const float t = at_level(a->read.air_temperature, below, c);
      const float q = at_level(a->mixing_ratio, below, c);
      const float w = at_level(a->read.mean_vertical_velocity, below, c);
      const float temperature = t + (at_level(a->read.air_temperature, above, c) - t) * fraction;
      const float mixing_ratio = q + (at_level(a->mixing_ratio, above, c) - q) * fraction;
      float ascent = w + (at_level(a->read.mean_vertical_velocity, above, c) - w) * fraction;
      const float spacing = a->read.grid_spacing[c];
      ascent = spacing >= 25e3f ? ascent * spacing / 25e3f : ascent;
      const float excess = ascent - 0.02f * least(height[c] / 2e3f, 1.0f);
      /* Products with flags, because compilers do not make vectors of conditional powers. */
      const float rises = excess >= 1e-4f ? 1.0f : 0.0f;
      const float warming = rises * (4.64f * pow_of(most(excess, 1e-4f), 0.33f));
      const float lifted = p->temperature[c] + warming;
      const float around = virtual_temperature(temperature, mixing_ratio);
      const float candidate = a->is_candidate[base][c];
      /* A source layer whose air is saturated only above the column ends the search. */
      open[c] = (candidate > 0.0f) & !exists ? 0.0f : open[c];
      p->is_triggered[c] = (lifted >= temperature) & exists ? candidate * open[c] : 0.0f;
      a->margin[base][c] = lifted - temperature;
      const float work = (float)(1000 * 9.81) * warming / around;
      p->velocity[c] = least(warming > 1e-4f ? 1.0f + 0.5f * sqrtf(work) : 1.0f, 3.0f);
      p->height[c] = height[c];
      p->level[c] = above;
      p->around[c] = around;
    }
  }
}

static void examine(const closurax_inputs *in, const int *columns, int n, air *a, int *possible) {
  find_environment(in, columns, n, a);
  lift_sources(a);
  EACH_LANE possible[c] = 0;
  for (int base = 0; base < BASES; base++)
    EACH_LANE possible[c] |= a->parcels[base].is_triggered[c] > 0.0f;
}

/* The environment as test parcels meet it, on each level. */
typedef struct {
  lanes theta_e[LEVELS], saturated_theta_e[LEVELS], saturation[LEVELS], slope[LEVELS];
  lanes per_theta_e[LEVELS], per_virtual_temperature[LEVELS];
} surroundings;

typedef struct {
  lanes top, equilibrium, cape;
} ascent;

typedef struct {
  lanes buoyancy[LEVELS], velocity[LEVELS], condensate[LEVELS], fallout[LEVELS];
} plume;

/* How far parcels rise that are set off; and what they are like on the way, unless `plume` is
   NULL. */
INLINED void climb(const air *a, const surroundings *s, const parcel *p, const float *factor,
                   ascent *rise, plume *way) {
  ALIGNED lanes energy, water, condensate, squared, buoyancy, per_pascal, fall_rate, rises;
  int first = LEVELS;
  EACH_LANE {
    const float top = at_level(a->height, p->source_top[c], c);
    const float radius = within(most(top, p->height[c]), 500.0f, 4000.0f);
    per_pascal[c] = (float)(0.03 * 0.8) * factor[c] / radius;
    fall_rate[c] = 0.03f / factor[c];
    energy[c] = p->theta_e[c];
    water[c] = p->mixing_ratio[c];
    condensate[c] = 0.0f;
    squared[c] = p->velocity[c] * p->velocity[c];
    buoyancy[c] =
        virtual_temperature(p->temperature[c], p->mixing_ratio[c]) / p->around[c] - 1.0f;
    rises[c] = p->is_triggered[c];
    rise->top[c] = p->level[c] - 1.0f;
    rise->equilibrium[c] = p->level[c];
    rise->cape[c] = 0.0f;
  }
  for (int c = 0; c < LANES; c++)
    if (p->is_triggered[c] > 0.0f && (int)p->level[c] < first) first = (int)p->level[c];
  for (int k = first; k < LEVELS; k++) {
    EACH_LANE {
      const float height = a->height[k][c];
      const float distance =
          height - ((float)k == p->level[c] ? p->height[c] : a->height[k - 1][c]);
      const float warmth = (energy[c] - s->saturated_theta_e[k][c]) * s->per_theta_e[k][c];
      const float change = s->slope[k][c] * warmth;
      const float saturated =
          most(s->saturation[k][c] * (1.0f + change * (1.0f + 0.5f * change)), 0.0f);
      const float vapour = least(water[c], saturated);
      const float load = condensate[c] + most(water[c] - saturated, 0.0f);
      const float falls = fall_rate[c] * distance / sqrtf(most(squared[c], 0.25f));
      const float fallout = load * falls / (1.0f + falls);
      const float stays = load - fallout;
      const float moister = vapour - a->mixing_ratio[k][c];
      const float warmed = warmth * (1.0f + 0.608f * vapour) +
                           0.608f * a->read.air_temperature[k][c] * moister;
      const float buoyant = warmed * s->per_virtual_temperature[k][c] - stays;
      const float share = per_pascal[c] * a->pressure_thickness[k][c];
      const float work = (buoyancy[c] + buoyant) * distance * GRAVITY;
      const float next = squared[c] * (1.0f - 2.0f * share) + work / 1.5f;
      const int climbs = ((float)k >= p->level[c]) & (rises[c] > 0.0f);
      const int arrives = climbs & (next > 1e-3f);
      const float diluted = 1.0f / (1.0f + share);
      energy[c] = arrives ? (energy[c] + share * s->theta_e[k][c]) * diluted : energy[c];
      water[c] = arrives ? (vapour + share * a->mixing_ratio[k][c]) * diluted : water[c];
      condensate[c] = arrives ? stays * diluted : condensate[c];
      squared[c] = arrives ? next : squared[c];
      buoyancy[c] = arrives ? buoyant : buoyancy[c];
      rise->top[c] = arrives ? (float)k : rise->top[c];
      rise->equilibrium[c] = arrives & (buoyant > 0.0f) ? (float)k : rise->equilibrium[c];
      rise->cape[c] += arrives ? 0.5f * most(work, 0.0f) : 0.0f;
      rises[c] = climbs & !arrives ? 0.0f : rises[c];
      if (way) {
        way->buoyancy[k][c] = climbs ? buoyant : 0.0f;
        way->velocity[k][c] = arrives ? sqrtf(next) : 0.0f;
        way->condensate[k][c] = arrives ? stays : 0.0f;
        way->fallout[k][c] = arrives ? fallout : 0.0f;
      }
    }
    if (!any_of(rises)) break;
  }
}

static void choose_parcel(const air *a, const surroundings *s, const float *factor,
                          parcel *chosen, ascent *rise, plume *way, lanes *depths,
                          lanes *counts) {
  ALIGNED lanes best, first_triggered, first_deep, tallest;
  EACH_LANE {
    best[c] = tallest[c] = -1.0f;
    first_triggered[c] = first_deep[c] = -1.0f;
    counts[0][c] = counts[1][c] = counts[2][c] = 0.0f;
  }
  for (int base = 0; base < BASES; base++) {
    const parcel *p = &a->parcels[base];
    ALIGNED ascent r;
    EACH_LANE depths[base][c] = 0.0f;
    if (!any_of(p->is_triggered)) continue;
    climb(a, s, p, factor, &r, NULL);
    EACH_LANE {
      const int triggered = p->is_triggered[c] > 0.0f;
      const float depth = at_level(a->height, r.top[c], c) - p->height[c];
      const int forms = triggered & (r.top[c] > p->level[c]) & (r.top[c] > p->source_top[c]) &
                        (r.equilibrium[c] + 1.0f > p->source_top[c]);
      const int deep = forms & (depth > least_depth(p->temperature[c])) & (r.cape[c] > 1.0f);
      const int taller = forms & (depth > best[c]);
      depths[base][c] = triggered ? depth : 0.0f;
      best[c] = taller ? depth : best[c];
      tallest[c] = taller ? (float)base : tallest[c];
      first_triggered[c] =
          triggered & (first_triggered[c] < 0.0f) ? (float)base : first_triggered[c];
      first_deep[c] = deep & (first_deep[c] < 0.0f) ? (float)base : first_deep[c];
      counts[0][c] += triggered ? 1.0f : 0.0f;
      counts[1][c] += forms ? 1.0f : 0.0f;
      counts[2][c] += deep ? 1.0f : 0.0f;
    }
  }
  EACH_LANE {
    float base = tallest[c] >= 0.0f ? tallest[c] : first_triggered[c];
    base = first_deep[c] >= 0.0f ? first_deep[c] : base;
    base = most(base, 0.0f);
    counts[3][c] = base;
  }
  const lanes *from = (const lanes *)a->parcels;
  lanes *to = (lanes *)chosen;
  const int fields = sizeof(parcel) / sizeof(lanes);
  for (int i = 0; i < fields; i++)
    EACH_LANE to[i][c] = from[fields * (int32_t)counts[3][c] + i][c];
  memset(way, 0, sizeof *way);
  climb(a, s, chosen, factor, rise, way);
}

static void subcloud_velocity(const air *a, const parcel *p, float *velocity) {
  EACH_LANE {
    const float exner = pow_of(a->read.air_pressure[0][c] / 1e5f, (float)(287.0 / 1004.5));
    const float theta = a->read.air_temperature[0][c] / exner;
    const float flux = GRAVITY / theta * a->read.sensible_heat_flux[c] /
                       (a->read.air_density[0][c] * 1004.5f);
    const float base = most(p->height[c], at_level(a->height, p->source_top[c], c));
    const float cubed = most(flux, 0.0f) * base;
    const float convective = cubed > 0.0f ? pow_of(cubed, 0.333f) : 0.0f;
    const float stability = a->read.stability_parameter[c];
    const float unstable = stability <= 0.0f ? pow_of(-stability, (float)(2.0 / 3.0)) : 1.0f;
    const float friction = a->read.friction_velocity[c] * a->read.friction_velocity[c];
    const float squared =
        3.8f * friction + (stability <= 0.0f ? 0.22f * (convective * convective) +
                                                   1.9f * friction * unstable
                                             : 0.0f);
    velocity[c] = most(sqrtf(squared), 0.1f);
  }
}

static void describe(air *a, float *features, float *timescale) {
  ALIGNED surroundings s;
  ALIGNED lanes depths[BASES], speed[LEVELS], counts[4];
  ALIGNED lanes factor, stirring, half_way, largest_margin, largest_depth;
  ALIGNED parcel p;
  ALIGNED ascent rise;
  ALIGNED plume way;

  EACH_LANE {
    const float spacing = a->read.grid_spacing[c];
    factor[c] = spacing >= (float)(0.99996 * 25e3) ? 1.0f : 1.0f + log_of(25e3f / spacing);
    half_way[c] = 0.0f;
  }
  for (int k = 0; k < LEVELS; k++) EACH_LANE {
    const float pressure = a->read.air_pressure[k][c], temperature = a->read.air_temperature[k][c];
    const float mixing_ratio = a->mixing_ratio[k][c];
    const float saturation = mixing_ratio / a->relative_humidity[k][c];
    const float log_ratio = log_of(1e5f / pressure);
    const float lifted = lifted_temperature(pressure, temperature, mixing_ratio);
    const float from_pole = temperature - SATURATION_POLE;
    const float slope = (float)(17.67 * 273.15 - 17.67 * 29.65) / (from_pole * from_pole);
    const float inverse = 1.0f / temperature;
    const float heating = (float)(2.5e6) / (1004.5f * temperature) * saturation;
    const float growth = inverse + heating * (slope - inverse);
    const float east = a->read.eastward_wind[k][c], north = a->read.northward_wind[k][c];
    s.theta_e[k][c] = theta_e(log_ratio, temperature, mixing_ratio, lifted);
    s.saturated_theta_e[k][c] = theta_e(log_ratio, temperature, saturation, temperature);
    s.saturation[k][c] = saturation;
    s.slope[k][c] = slope;
    s.per_theta_e[k][c] = 1.0f / (s.saturated_theta_e[k][c] * growth);
    s.per_virtual_temperature[k][c] = 1.0f / virtual_temperature(temperature, mixing_ratio);
    speed[k][c] = sqrtf(east * east + north * north);
    half_way[c] = pressure >= 0.5f * a->read.air_pressure[0][c] ? (float)k : half_way[c];
  }
  for (int base = 0; base < BASES; base++) EACH_LANE {
    parcel *from = &a->parcels[base];
    const float pressure = a->source_pressure[base][c], t = a->source_temperature[base][c];
    const float q = from->mixing_ratio[c];
    from->theta_e[c] = theta_e(log_of(1e5f / pressure), t, q, lifted_temperature(pressure, t, q));
  }
  choose_parcel(a, &s, factor, &p, &rise, &way, depths, counts);
  subcloud_velocity(a, &p, stirring);

  EACH_LANE largest_margin[c] = -6.0f, largest_depth[c] = 0.0f;
  for (int k = 0; k < LEVELS; k++) {
    int row = k * CHANNELS;
    const float level = (float)k;
    ALIGNED lanes margin;
    EACH_LANE margin[c] = -6.0f;
    if (k < BASES) EACH_LANE {
      margin[c] = a->is_candidate[k][c] > 0.0f ? within(a->margin[k][c], -6.0f, 6.0f) : -6.0f;
      largest_margin[c] = most(largest_margin[c], margin[c]);
      largest_depth[c] = k == 0 ? depths[k][c] : most(largest_depth[c], depths[k][c]);
    }
    TELL(a->read.air_temperature[k][c]);
    TELL(log_of(a->mixing_ratio[k][c]));
    TELL(a->relative_humidity[k][c]);
    TELL(s.theta_e[k][c]);
    TELL(s.saturated_theta_e[k][c]);
    TELL(a->read.eastward_wind[k][c]);
    TELL(a->read.northward_wind[k][c]);
    TELL(speed[k][c]);
    ALIGNED lanes root;
    EACH_LANE {
      const float w = a->read.mean_vertical_velocity[k][c], size = fabsf(w);
      const float sign = size > 1e-9f ? (w < 0.0f ? -1.0f : 1.0f) : 0.0f;
      root[c] = sign * pow_of(size, 0.33f);
    }
    tell(features, row++, root);
    if (k < BASES) {
      TELL(margin[c]);
      TELL(tanh_of(margin[c] / 0.15f)); /* -1 where there is no candidate */
      TELL(a->parcels[k].theta_e[c]);
      TELL(a->parcels[k].height[c] / 1e3f);
      TELL(a->parcels[k].level[c]);
    } else {
      TELL(-6.0f);
      TELL(-1.0f);
      TELL(0.0f);
      TELL(0.0f);
      TELL(0.0f);
    }
    TELL(p.level[c] == level ? 1.0f : 0.0f);
    TELL((level >= counts[3][c]) & (level <= p.source_top[c]) ? 1.0f : 0.0f);
    TELL(100.0f * way.buoyancy[k][c]);
    TELL(way.velocity[k][c]);
    TELL(1e3f * way.condensate[k][c]);
    TELL(1e3f * way.fallout[k][c]);
    TELL(rise.top[c] == level ? 1.0f : 0.0f);
    TELL(rise.equilibrium[c] == level ? 1.0f : 0.0f);
  }

  ALIGNED lanes advection, depth, required, energy, overturning;
  EACH_LANE {
    const float wind = 0.5f * (at_level(speed, p.level[c], c) + at_level(speed, half_way[c], c));
    advection[c] = a->read.grid_spacing[c] / most(wind, 0.1f);
    required[c] = least_depth(p.temperature[c]);
    depth[c] = most(at_level(a->height, rise.top[c], c) - p.height[c], required[c]);
    energy[c] = most(rise.cape[c], 1.0f);
    overturning[c] = depth[c] * factor[c] / pow_of(0.03f * stirring[c] * energy[c], 0.3333f);
    timescale[c] = within(most(advection[c], overturning[c]), 300.0f, 86400.0f);
  }
  int row = LEVELS * CHANNELS;
  TELL(log_of(a->read.grid_spacing[c]));
  TELL(factor[c]);
  TELL(log_of(a->read.time_step[c]));
  TELL(log_of(a->read.friction_velocity[c]));
  TELL(a->read.sensible_heat_flux[c]);
  TELL(within(a->read.stability_parameter[c], -10.0f, 3.0f));
  TELL(log_of(a->read.air_pressure[0][c]));
  TELL(log_of(stirring[c]));
  TELL(counts[3][c]);
  TELL(p.height[c] / 1e3f);
  TELL(p.temperature[c]);
  TELL(p.velocity[c]);
  TELL(largest_margin[c]);
  TELL(log_of(advection[c]));
  TELL(1e3f * p.mixing_ratio[c]);
  TELL(counts[0][c]);
  TELL(energy[c] / 1e3f);
  TELL(log_of(energy[c]));
  TELL(depth[c] / 1e3f);
  TELL(depth[c] > required[c] ? 1.0f : 0.0f);
  TELL(log_of(timescale[c]));
  TELL(log_of(overturning[c]));
  TELL(counts[2][c] > 0.0f ? 1.0f : 0.0f);
  TELL(counts[1][c] > 0.0f ? 1.0f : 0.0f);
  TELL(counts[2][c]);
  TELL(counts[1][c]);
  TELL(largest_depth[c] / 1e3f);
  TELL(rise.equilibrium[c]);
  TELL(rise.top[c]);
  for (int base = 0; base < BASES; base++)
    TELL(a->parcels[base].is_triggered[c] > 0.0f
             ? within((depths[base][c] - least_depth(a->parcels[base].temperature[c])) / 2e3f,
                      -2.0f, 2.0f)
             : -2.5f);
}
