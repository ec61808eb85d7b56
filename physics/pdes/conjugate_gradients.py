from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

Linear = Callable[[Float[Array, "..."]], Float[Array, "..."]]


class ConjugateGradients(eqx.Module):
    """Preconditioned conjugate gradients for a symmetric positive definite operator.

    Hestenes and Stiefel (1952, J. Res. Natl. Bur. Stand. 49, 409).
    """

    rtol: float | None = eqx.field(static=True, default=None)
    """Of the norm of the residual; by default 1e-5 in single and 1e-10 in double precision."""
    max_steps: int = eqx.field(static=True, default=200)

    def __call__(
        self, operator: Linear, precondition: Linear, f: Float[Array, "*shape"]
    ) -> tuple[Float[Array, "*shape"], Int[Array, ""]]:
        """Solves `operator(u) = f` from zero.

        **Arguments:**

        - `precondition`: maps a residual to a correction; symmetric and positive definite.

        Returns `u` and the number of steps. Raises an error at run time, also inside `jit`, if
        the residual is not as small as asked for after `max_steps`.
        """
        rtol = self.rtol
        if rtol is None:
            rtol = 1e-10 if f.dtype == jnp.float64 else 1e-5
        smallest = rtol**2 * jnp.sum(f * f)

        def unfinished(carry):
            _, residual, _, _, step = carry
            return (jnp.sum(residual * residual) > smallest) & (step < self.max_steps)

        def advance(carry):
            u, residual, direction, product, step = carry
            correction = precondition(residual)
            new_product = jnp.sum(residual * correction)
            direction = correction + new_product / product * direction
            image = operator(direction)
            length = new_product / jnp.sum(direction * image)
            u, residual = u + length * direction, residual - length * image
            return u, residual, direction, new_product, step + 1

        # There is no direction before the first step, so that no product is right for it.
        zero = jnp.zeros_like(f)
        start = (zero, f, zero, jnp.ones((), f.dtype), jnp.asarray(0))
        u, residual, _, _, steps = lax.while_loop(unfinished, advance, start)
        # Written so that it is true for NaN as well.
        failed = ~(jnp.sum(residual * residual) <= smallest)
        u = eqx.error_if(
            u,
            failed,
            f"Conjugate gradients did not reach a relative residual of {rtol:g} in "
            f"{self.max_steps} steps: check that coefficient and right-hand side are finite and "
            "the coefficient is positive, or allow more steps.",
        )
        return u, steps
