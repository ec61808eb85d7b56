import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from .field_optimiser import AbstractFieldOptimiser, Equations


class GradientDescent(AbstractFieldOptimiser[optax.OptState]):
    """Any optimiser of optax: Adam with a schedule, or L-BFGS, `optax.lbfgs()`.

    One that searches along a line keeps the value and the gradient where it ended, and they are
    not computed again.
    """

    transformation: optax.GradientTransformationExtraArgs

    def __init__(self, transformation: optax.GradientTransformation):
        """**Arguments:**

        - `transformation`: of optax.
        """
        self.transformation = optax.with_extra_args_support(transformation)

    def init(self, parameters: PyTree, equations: Equations) -> optax.OptState:
        return self.transformation.init(parameters)

    def step(
        self, parameters: PyTree, state: optax.OptState, equations: Equations
    ) -> tuple[PyTree, optax.OptState, Float[Array, ""]]:
        # optax counts steps in integers, which it multiplies with floats.
        with jax.numpy_dtype_promotion("standard"):
            if _keeps_gradient(state):
                value, gradient = optax.value_and_grad_from_state(equations.loss)(
                    parameters, state=state
                )
            else:
                value, gradient = jax.value_and_grad(equations.loss)(parameters)
            updates, state = self.transformation.update(
                gradient, state, parameters, value=value, grad=gradient, value_fn=equations.loss
            )
            return optax.apply_updates(parameters, updates), state, value

    def renewed(
        self, state: optax.OptState, parameters: PyTree, equations: Equations
    ) -> optax.OptState:
        if not _keeps_gradient(state):
            return state
        # What is not finite is computed again.
        return optax.tree.set(state, value=jnp.full_like(optax.tree.get(state, "value"), jnp.inf))


def _keeps_gradient(state: optax.OptState) -> bool:
    return optax.tree.get(state, "value") is not None and optax.tree.get(state, "grad") is not None
