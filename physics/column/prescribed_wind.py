from jaxtyping import Array

from .air import Air
from .process import AbstractAdjustment, AbstractProcess, Relaxed
from .time_series import TimeSeries


class PrescribedWind(AbstractAdjustment):
    """Sets the wind to a given one at the end of each step."""

    series: TimeSeries
    """A dict of the profiles `eastward_wind` and `northward_wind` in m s-1."""

    def __call__(self, t, dt, air: Air) -> dict[str, Array]:
        given = self.series(t, air.pressure.dtype)
        return {name: value - getattr(air.state, name) for name, value in given.items()}

    def as_process(self, time_scale: float) -> AbstractProcess:
        return Relaxed(self, time_scale)
