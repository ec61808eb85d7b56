/* Columns side by side: every array ends in an axis of LANES columns, along which all arithmetic
   runs, so that a compiler makes vector instructions of it. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#define LANES 16

/* Columns do not depend on each other, which a compiler cannot always prove. */
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define INDEPENDENT _Pragma("GCC ivdep")
#else
#define INDEPENDENT
#endif
#define EACH_LANE INDEPENDENT for (int c = 0; c < LANES; c++)
/* Of the block that the network takes at once, a multiple of LANES. */
#define EACH_COLUMN INDEPENDENT for (int c = 0; c < BATCH; c++)

#if defined(__GNUC__)
#define ALIGNED __attribute__((aligned(64)))
#define PRIVATE static __attribute__((unused))
#define INLINED static inline __attribute__((always_inline, unused))
#else
#define ALIGNED
#define PRIVATE static
#define INLINED static inline
#endif

typedef float lanes[LANES];

INLINED float least(float a, float b) { return a < b ? a : b; }
INLINED float most(float a, float b) { return a > b ? a : b; }
INLINED float within(float value, float low, float high) { return least(most(value, low), high); }

/* The functions of libm do not run along lanes without -ffast-math, which would move decisions;
   these do, with an error of about one unit in the last place. */

INLINED float exp_of(float value) {
  const float x = within(value, -87.0f, 88.0f);
  const float scaled = x * 1.44269504f;
  const int32_t power = (int32_t)(scaled + (scaled < 0 ? -0.5f : 0.5f));
  const float whole = (float)power;
  const float rest = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
  float series = 1.9875691500e-4f;
  series = series * rest + 1.3981999507e-3f;
  series = series * rest + 8.3334519073e-3f;
  series = series * rest + 4.1665795894e-2f;
  series = series * rest + 1.6666665459e-1f;
  series = series * rest + 5.0000001201e-1f;
  series = series * (rest * rest) + rest + 1.0f;
  const int32_t bits = (power + 127) * (1 << 23);
  float two_to_power;
  memcpy(&two_to_power, &bits, sizeof bits);
  return series * two_to_power;
}

/* Of what is not positive, the logarithm of the smallest normal number. */
INLINED float log_of(float value) {
  const float x = most(value, 1.17549435e-38f);
  int32_t bits;
  memcpy(&bits, &x, sizeof bits);
  /* Mantissas from sqrt(1/2) to sqrt(2). */
  const int32_t power = (bits - 0x3f3504f3) >> 23;
  const int32_t mantissa_bits = bits - power * (1 << 23);
  float mantissa;
  memcpy(&mantissa, &mantissa_bits, sizeof mantissa);
  const float z = mantissa - 1.0f, whole = (float)power;
  float series = 7.0376836292e-2f;
  series = series * z - 1.1514610310e-1f;
  series = series * z + 1.1676998740e-1f;
  series = series * z - 1.2420140846e-1f;
  series = series * z + 1.4249322787e-1f;
  series = series * z - 1.6668057665e-1f;
  series = series * z + 2.0000714765e-1f;
  series = series * z - 2.4999993993e-1f;
  series = series * z + 3.3333331174e-1f;
  series = series * (z * (z * z)) - 2.12194440e-4f * whole - 0.5f * (z * z);
  return z + series + 0.693359375f * whole;
}

INLINED float pow_of(float base, float exponent) { return exp_of(exponent * log_of(base)); }

INLINED float tanh_of(float x) { return 1.0f - 2.0f / (exp_of(2.0f * x) + 1.0f); }

INLINED float sigmoid_of(float x) { return 1.0f / (1.0f + exp_of(-x)); }

INLINED float relu_of(float x) { return most(x, 0.0f); }

INLINED float silu_of(float x) { return x * sigmoid_of(x); }

/* With the hyperbolic tangent, which is a sigmoid of twice the argument. */
INLINED float gelu_of(float x) {
  return x * sigmoid_of(1.595769122f * (x + 0.044715f * (x * x * x)));
}

/* Whether any of these flags, 0 or 1, is set. */
INLINED int any_of(const float *flags) {
  int32_t bits[LANES], any = 0;
  memcpy(bits, flags, sizeof bits);
  EACH_LANE any |= bits[c];
  return any != 0;
}

/* What a level of each column holds; levels are whole numbers kept as float. */
INLINED float at_level(const lanes *profile, float level, int c) {
  return (&profile[0][0])[(int32_t)level * LANES + c];
}

/* Profiles (column, level) and scalars (column,) of the host, of `columns[0]` to `columns[n-1]`;
   lanes beyond `n` repeat the last column, so that they compute with possible values. */
PRIVATE void load_profile(const float *from, const int *columns, int n, lanes *profile) {
  EACH_LANE {
    const float *column = from + (size_t)columns[c < n ? c : n - 1] * LEVELS;
    for (int k = 0; k < LEVELS; k++) profile[k][c] = column[k];
  }
}

PRIVATE void load_scalar(const float *from, const int *columns, int n, float *scalar) {
  EACH_LANE scalar[c] = from[columns[c < n ? c : n - 1]];
}
