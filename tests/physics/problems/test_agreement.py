"""Initial states that do not fit the walls are found before anything is solved."""

import jax.numpy as jnp
import pytest

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import (
    AllenCahn,
    Burgers,
    Clustered,
    FlowMixing,
    Helmholtz,
    KleinGordon,
    LidDrivenCavity,
    NonlinearDiffusion,
    PlaneBurgers,
    check_agreement,
)
from closurax.physics.problems.walls import wall_conditions
from closurax.surrogates import evolve_gaussians


class Disagreeing(Burgers):
    def boundary(self):
        return wall_conditions((1,), lambda point: 0.3 * jnp.ones(1))


@pytest.mark.parametrize("problem", [
    AllenCahn(), Burgers(), FlowMixing(), KleinGordon(), NonlinearDiffusion(), PlaneBurgers(),
    Clustered(NonlinearDiffusion()), Helmholtz(4, 1), LidDrivenCavity(),
], ids=lambda problem: type(problem).__name__)  # fmt: skip
def test_those_of_the_problems_agree(problem):
    check_agreement(problem)


def test_the_place_and_both_values_are_named():
    message = r"initial state of Disagreeing and its wall below of axis 1 .* at t = 0, x = -1"
    with pytest.raises(ClosuraxError, match=message):
        check_agreement(Disagreeing())


def test_nothing_is_evolved_then(x64):
    with pytest.raises(ClosuraxError, match="disagree"):
        evolve_gaussians(Disagreeing(), 20, seed=0, progress=False)
