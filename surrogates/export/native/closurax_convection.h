/* @TITLE@

   A learned convection scheme, exported by closurax @VERSION@. Plain C99: nothing but libc and
   libm, no global state, no allocation; safe to call from several threads. One call needs at most
   @STACK@ kB of stack. */

#ifndef CLOSURAX_CONVECTION_H
#define CLOSURAX_CONVECTION_H

#ifdef __cplusplus
extern "C" {
#endif

#define CLOSURAX_LEVELS @LEVELS@

/* What the scheme reads. Profiles are (column, level) in C, (level, column) in Fortran: the levels
   of a column are contiguous, the lowest layer first. Scalars are (column). */
typedef struct {
@INPUTS@
} closurax_inputs;

/* What it returns, laid out likewise. Without convection the tendencies are exactly zero. */
typedef struct {
@OUTPUTS@
} closurax_outputs;

/* Codes that closurax_convection returns. */
enum {
  CLOSURAX_OK = 0,
  CLOSURAX_COLUMNS = 1,      /* the number of columns is negative */
  CLOSURAX_WRONG_LEVELS = 2, /* `levels` is not CLOSURAX_LEVELS */
  CLOSURAX_NULL = 3,         /* an array is missing */
  CLOSURAX_NOT_FINITE = 4,   /* an input is NaN or infinite */
  CLOSURAX_PRESSURE = 5,     /* pressure does not decrease with the level */
  CLOSURAX_RANGE = 6,        /* an input is outside of what air can be */
  CLOSURAX_DENSITY = 7       /* p = rho R T (1 + 0.608 q) does not hold within 10 % */
};

/* The convection in `columns` columns of `levels` levels. Returns CLOSURAX_OK, or the code of what
   is wrong with the inputs; then no output is touched. */
int closurax_convection(int columns, int levels, const closurax_inputs *inputs,
                        const closurax_outputs *outputs);

/* The number of levels that the scheme is for. */
int closurax_convection_levels(void);

/* The version of closurax that exported the scheme. */
const char *closurax_convection_version(void);

/* What a code means, in one line. */
const char *closurax_convection_message(int code);

#ifdef __cplusplus
}
#endif

#endif
