from jaxtyping import Array

from .air import Air
from .process import AbstractProcess
from .time_series import TimeSeries


class PrescribedTendencies(AbstractProcess):
    """Tendencies given as series in time: horizontal advection, radiation."""

    series: TimeSeries
    """A dict of profiles per second by field of `ColumnState`."""

    def __call__(self, t, air: Air) -> dict[str, Array]:
        return dict(self.series(t, air.pressure.dtype))
