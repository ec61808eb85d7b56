from typing import Any, Protocol, TypeVar, runtime_checkable

import jax
import optax
from jaxtyping import Array, PyTree

Training = TypeVar("Training", bound=Any)


@runtime_checkable
class Optimisers(Protocol):
    """Settings that know how policy and critic are optimised."""

    @property
    def policy_optimiser(self) -> optax.GradientTransformation: ...

    @property
    def critic_optimiser(self) -> optax.GradientTransformation: ...


def actor_critic_step(
    training: Training, gradients: tuple[Array, Array], optimisers: Optimisers
) -> Training:
    """One step of each optimiser: `training` with other vectors and states of the optimisers.

    **Arguments:**

    - `training`: a named tuple with `policy`, `critic`, `policy_optimiser`, `critic_optimiser`.
    - `gradients`: of the first two.
    """

    def step(name: str, gradient: Array) -> dict[str, PyTree]:
        vector, state = getattr(training, name), getattr(training, f"{name}_optimiser")
        optimiser = getattr(optimisers, f"{name}_optimiser")
        # The step counters of optax are integers that it multiplies with floats.
        with jax.numpy_dtype_promotion("standard"):
            update, state = optimiser.update(gradient, state, vector)
        return {name: vector + update, f"{name}_optimiser": state}

    return training._replace(**step("policy", gradients[0]), **step("critic", gradients[1]))
