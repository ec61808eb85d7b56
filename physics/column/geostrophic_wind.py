from jaxtyping import Array

from .air import Air
from .process import AbstractProcess
from .time_series import TimeSeries


class GeostrophicForcing(AbstractProcess):
    r"""The Coriolis force on what the wind departs from the geostrophic one.

    $\partial_t u = f (v - v_g)$, $\partial_t v = -f (u - u_g)$.
    """

    wind: TimeSeries
    """A dict of the profiles `eastward_wind` and `northward_wind` in m s-1."""
    coriolis_parameter: float
    """$f$ in s-1."""

    def __call__(self, t, air: Air) -> dict[str, Array]:
        geostrophic = self.wind(t, air.pressure.dtype)
        u, v = air.state.eastward_wind, air.state.northward_wind
        return {
            "eastward_wind": self.coriolis_parameter * (v - geostrophic["northward_wind"]),
            "northward_wind": -self.coriolis_parameter * (u - geostrophic["eastward_wind"]),
        }
