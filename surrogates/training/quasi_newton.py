from typing import Any

import jax
import jax.numpy as jnp
import optimistix as optx
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from .field_optimiser import AbstractFieldOptimiser, Equations


class QuasiNewton(AbstractFieldOptimiser[Any]):
    """Any minimiser of optimistix, such as `optimistix.BFGS`.

    A step is one of the minimiser's: for BFGS one point of a search along a line, or the next
    direction. Its own criterion of convergence ends nothing here. The approximation of the second
    derivatives that BFGS has is dense: parameters squared. It is lost when points are drawn anew,
    which is therefore for after many steps only.
    """

    minimiser: optx.AbstractMinimiser

    def init(self, parameters: PyTree, equations: Equations) -> Any:
        vector, function = _on_vectors(parameters, equations)
        value = jax.ShapeDtypeStruct((), vector.dtype)
        return self.minimiser.init(function, vector, None, {}, value, None, frozenset())

    def step(
        self, parameters: PyTree, state: Any, equations: Equations
    ) -> tuple[PyTree, Any, Float[Array, ""]]:
        vector, function = _on_vectors(parameters, equations)
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            after, state, _ = self.minimiser.step(function, vector, None, {}, state, frozenset())
        _, unravel = ravel_pytree(parameters)
        return unravel(after), state, jnp.asarray(state.f_info.f)

    def renewed(self, state: Any, parameters: PyTree, equations: Equations) -> Any:
        return self.init(parameters, equations)


def _on_vectors(parameters: PyTree, equations: Equations):
    vector, unravel = ravel_pytree(parameters)
    return vector, lambda vector, _: (equations.loss(unravel(vector)), None)
