from .filters import (
    coarsen as coarsen,
    gaussian_filter as gaussian_filter,
    sharp_filter as sharp_filter,
    spectral_resample as spectral_resample,
)
from .grid import SpectralGrid as SpectralGrid
from .periodic_interval import PeriodicInterval as PeriodicInterval
from .real_view import from_real_view as from_real_view, to_real_view as to_real_view
