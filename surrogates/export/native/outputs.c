/* From what the network says to what the scheme returns: the decision, units, constraints. */

typedef struct {
  lanes tendency[TENDENCIES][LEVELS], rain;
} physical;

typedef struct {
  lanes none, deep, shallow, triggered, base, top; /* levels count from 1 */
  lanes below_top[LEVELS];
} decision;

typedef struct {
  lanes mass[LEVELS], vapour[LEVELS], time_step;
} reservoir;

static void constrain(physical *p, const decision *d, const reservoir *r);

enum { THETA, VAPOUR, CLOUD, RAIN, ICE, SNOW, EAST, NORTH };

/* The most probable class and cloud base; levels weighted with the probability that they are in
   the cloud, and zero where that is small. */
static void decide(const float *said, decision *d) {
  const float *kind = said + ROW_CLASS * BATCH, *base = said + ROW_BASE * BATCH;
  const float *top = said + ROW_TOP * BATCH;
  ALIGNED lanes largest, total, best, share[LEVELS];
  EACH_LANE {
    const float none = kind[c], deep = kind[BATCH + c], shallow = kind[2 * BATCH + c];
    d->none[c] = (none >= deep) & (none >= shallow) ? 1.0f : 0.0f;
    d->deep[c] = (none < deep) & (deep >= shallow) ? 1.0f : 0.0f;
    d->shallow[c] = 1.0f - d->none[c] - d->deep[c];
    d->triggered[c] = 1.0f - d->none[c];
    largest[c] = top[c];
    best[c] = base[c];
    d->base[c] = 1.0f;
    total[c] = 0.0f;
  }
  for (int k = 1; k < LEVELS; k++) EACH_LANE {
    largest[c] = most(largest[c], top[k * BATCH + c]);
    d->base[c] = base[k * BATCH + c] > best[c] ? (float)(k + 1) : d->base[c];
    best[c] = most(best[c], base[k * BATCH + c]);
  }
  for (int k = 0; k < LEVELS; k++) EACH_LANE {
    share[k][c] = exp_of(top[k * BATCH + c] - largest[c]);
    total[c] += share[k][c];
  }
  ALIGNED lanes below;
  EACH_LANE below[c] = d->top[c] = 0.0f;
  for (int k = LEVELS - 1; k >= 0; k--) EACH_LANE {
    below[c] += share[k][c] / total[c];
    d->below_top[k][c] = below[c] >= UNLIKELY ? below[c] : 0.0f;
    d->top[c] += below[c] >= UNLIKELY ? 1.0f : 0.0f;
  }
  /* The lowest layer is below every cloud top, whatever the rounding of the sum. */
  EACH_LANE d->below_top[0][c] = 1.0f;
  EACH_LANE d->base[c] = least(d->base[c], d->top[c]);
}

static void to_physical(const float *said, const float *timescale, physical *out) {
  for (int t = 0; t < TENDENCIES; t++)
    for (int k = 0; k < LEVELS; k++) {
      const int row = ROW_TENDENCY + k * TENDENCIES + t;
      const float scale = adjustment_scale[k][t], mean = adjustment_mean[k][t];
      EACH_LANE out->tendency[t][k][c] = (said[row * BATCH + c] * scale + mean) / timescale[c];
    }
  EACH_LANE out->rain[c] = RAIN_SCALE * said[ROW_RAIN * BATCH + c] / timescale[c];
}

PRIVATE void positive_rain(physical *out) {
  EACH_LANE out->rain[c] = most(out->rain[c], 0.0f);
}

PRIVATE void positive_condensate(physical *out) {
  for (int t = CLOUD; t <= SNOW; t++)
    for (int k = 0; k < LEVELS; k++)
      EACH_LANE out->tendency[t][k][c] = most(out->tendency[t][k][c], 0.0f);
}

PRIVATE void only_where_triggered(physical *out, const decision *d) {
  for (int t = 0; t < TENDENCIES; t++) {
    const float *weight = t == RAIN || t == SNOW ? d->shallow : d->triggered;
    for (int k = 0; k < LEVELS; k++) EACH_LANE out->tendency[t][k][c] *= weight[c];
  }
  EACH_LANE out->rain[c] *= d->deep[c];
}

PRIVATE void only_below_top(physical *out, const decision *d) {
  for (int t = 0; t < TENDENCIES; t++)
    for (int k = 0; k < LEVELS; k++)
      EACH_LANE out->tendency[t][k][c] *= d->below_top[k][c];
}

/* The tendency changed in proportion to mass times `spread`, so that its sum is `total`. */
INLINED void give_sum(lanes *tendency, const reservoir *r, lanes *spread, const float *total) {
  ALIGNED lanes norm, excess;
  EACH_LANE norm[c] = 0.0f;
  for (int k = 0; k < LEVELS; k++) EACH_LANE {
    spread[k][c] *= r->mass[k][c];
    norm[c] += r->mass[k][c] * spread[k][c];
  }
  EACH_LANE norm[c] = 1.0f / (norm[c] > 0.0f ? norm[c] : 1.0f);
  /* Twice, because the first sum is rounded at the size of what cancels in it. */
  for (int i = 0; i < 2; i++) {
    EACH_LANE excess[c] = -total[c];
    for (int k = 0; k < LEVELS; k++) EACH_LANE excess[c] += r->mass[k][c] * tendency[k][c];
    EACH_LANE excess[c] *= norm[c];
    for (int k = 0; k < LEVELS; k++) EACH_LANE tendency[k][c] -= spread[k][c] * excess[c];
  }
}

PRIVATE void closed_momentum(physical *out, const reservoir *r) {
  ALIGNED lanes zero, spread[LEVELS];
  EACH_LANE zero[c] = 0.0f;
  for (int t = EAST; t <= NORTH; t++) {
    for (int k = 0; k < LEVELS; k++)
      EACH_LANE spread[k][c] = out->tendency[t][k][c] != 0.0f ? 1.0f : 0.0f;
    give_sum(out->tendency[t], r, spread, zero);
  }
}

PRIVATE void closed_water(physical *out, const reservoir *r) {
  ALIGNED lanes made, keeps, spread[LEVELS];
  EACH_LANE made[c] = keeps[c] = 0.0f;
  for (int k = 0; k < LEVELS; k++) EACH_LANE {
    /* Above zero, so that a column without any vapour is not divided by zero. */
    const float available = most(r->vapour[k][c], 1e-9f);
    const float changes = out->tendency[VAPOUR][k][c] != 0.0f ? 1.0f : 0.0f;
    keeps[c] = most(keeps[c], changes);
    spread[k][c] = changes * (available * available);
    made[c] += r->mass[k][c] * (out->tendency[CLOUD][k][c] + out->tendency[RAIN][k][c] +
                                out->tendency[ICE][k][c] + out->tendency[SNOW][k][c]);
  }
  /* Without a tendency of vapour there is no condensation either. */
  EACH_LANE {
    made[c] = -keeps[c] * (made[c] + out->rain[c]);
    out->rain[c] *= keeps[c];
  }
  for (int t = CLOUD; t <= SNOW; t++)
    for (int k = 0; k < LEVELS; k++) EACH_LANE out->tendency[t][k][c] *= keeps[c];
  give_sum(out->tendency[VAPOUR], r, spread, made);
}

PRIVATE void enough_vapour(physical *out, const reservoir *r) {
  ALIGNED lanes factor;
  EACH_LANE factor[c] = 1.0f;
  for (int k = 0; k < LEVELS; k++) EACH_LANE {
    const float loss = -r->time_step[c] * out->tendency[VAPOUR][k][c];
    const float available = r->vapour[k][c];
    /* A little less than all of it, so that rounding leaves nothing negative. */
    const float safe = (1.0f - 8 * 1.1920929e-7f) * most(available, 0.0f);
    factor[c] = loss > available ? least(factor[c], safe / loss) : factor[c];
  }
  for (int t = 0; t < TENDENCIES; t++)
    for (int k = 0; k < LEVELS; k++) EACH_LANE out->tendency[t][k][c] *= factor[c];
  EACH_LANE out->rain[c] *= factor[c];
}

#define WRITTEN(name) out->name,

static void return_nothing(const closurax_outputs *out, int column) {
  float *const tendencies[TENDENCIES] = {EACH_TENDENCY(WRITTEN)};
  for (int t = 0; t < TENDENCIES; t++)
    memset(tendencies[t] + (size_t)column * LEVELS, 0, LEVELS * sizeof(float));
  out->precipitation_rate[column] = 0.0f;
  out->convective_lifetime[column] = 0.0f;
  out->convection_class[column] = 0.0f;
  out->cloud_base_level[column] = (float)(LEVELS + 1);
  out->cloud_top_level[column] = 1.0f;
}

static void conclude(const closurax_inputs *in, const int *columns, int n, const float *said,
                     const float *timescale, const closurax_outputs *out) {
  float *const tendencies[TENDENCIES] = {EACH_TENDENCY(WRITTEN)};
  ALIGNED physical p;
  ALIGNED decision d;
  ALIGNED reservoir r;
  ALIGNED lanes thickness[LEVELS];
  load_profile(in->air_density, columns, n, r.mass);
  load_profile(in->layer_thickness, columns, n, thickness);
  load_profile(in->vapour_mixing_ratio, columns, n, r.vapour);
  load_scalar(in->time_step, columns, n, r.time_step);
  for (int k = 0; k < LEVELS; k++) EACH_LANE r.mass[k][c] *= thickness[k][c];
  decide(said, &d);
  to_physical(said, timescale, &p);
  constrain(&p, &d, &r);
  for (int c = 0; c < n; c++) {
    const int column = columns[c];
    for (int t = 0; t < TENDENCIES; t++) {
      float *to = tendencies[t] + (size_t)column * LEVELS;
      for (int k = 0; k < LEVELS; k++) to[k] = p.tendency[t][k][c];
    }
    const float lifetime =
        within(said[ROW_LIFETIME * BATCH + c], -4.0f, 4.0f) * LIFETIME_SPREAD + LIFETIME_MEAN;
    out->precipitation_rate[column] = p.rain[c];
    out->convective_lifetime[column] =
        d.deep[c] * exp_of(lifetime) + d.shallow[c] * SHALLOW_LIFETIME;
    out->convection_class[column] = d.deep[c] + 2.0f * d.shallow[c];
    out->cloud_base_level[column] =
        d.triggered[c] * d.base[c] + d.none[c] * (float)(LEVELS + 1);
    out->cloud_top_level[column] = d.triggered[c] * d.top[c] + d.none[c];
  }
}
