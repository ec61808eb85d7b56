from collections.abc import Mapping
from typing import Any

from jaxtyping import Array, Float

from ..errors import ClosuraxError
from ..scheme import AbstractScheme
from .germano import (
    clipped_coefficient,
    domain_mean,
    germano_identity,
    least_squares,
    uniform_coefficient_tendency,
)
from .leith import leith_stress
from .spectral_closure import SPECTRAL_VORTICITY, SPECTRAL_VORTICITY_TENDENCY

Memory = Float[Array, " 2"]


class TimeAveragedDynamicLeith(AbstractScheme):
    r"""`DynamicLeith` whose least squares are also averaged over time.

    Numerator and denominator are exponential averages over about `calls` calls,
    $\bar a \leftarrow \bar a + (a - \bar a) / n$, so the coefficient is steadier than the flow. The
    memory is these two numbers; it starts at their values for the initial state. A scheme is
    not told the time step: `calls` times the time step is the averaging time.
    """

    calls: float = 100.0

    reads = (SPECTRAL_VORTICITY,)
    returns = (SPECTRAL_VORTICITY_TENDENCY,)

    def __check_init__(self):
        if not self.calls >= 1:
            raise ClosuraxError(
                f"TimeAveragedDynamicLeith: `calls` is {self.calls}; it must be at least 1."
            )

    def initial_carry(self, inputs: Mapping[str, Any]) -> Memory:
        grid, vorticity_hat = inputs["grid"], inputs[SPECTRAL_VORTICITY.name]
        return domain_mean(least_squares(germano_identity(grid, vorticity_hat, leith_stress)))

    def __call__(self, inputs: Mapping[str, Any], carry: Memory) -> tuple[dict[str, Array], Memory]:
        grid, vorticity_hat = inputs["grid"], inputs[SPECTRAL_VORTICITY.name]
        identity = germano_identity(grid, vorticity_hat, leith_stress)
        averaged = carry + (domain_mean(least_squares(identity)) - carry) / self.calls
        tendency = uniform_coefficient_tendency(grid, identity, clipped_coefficient(averaged))
        return {SPECTRAL_VORTICITY_TENDENCY.name: tendency}, averaged
