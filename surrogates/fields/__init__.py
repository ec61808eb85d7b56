"""Fields: solutions of differential equations as functions of a point in space and time."""

from .clustered_features import ClusteredFeatures as ClusteredFeatures
from .evolved_field import EvolvedField as EvolvedField
from .features import AbstractFeatures as AbstractFeatures
from .field import AbstractField as AbstractField
from .fourier_features import FourierFeatures as FourierFeatures
from .full_gaussian_features import FullGaussianFeatures as FullGaussianFeatures
from .galerkin_basis import GalerkinBasis as GalerkinBasis
from .gaussian_features import GaussianFeatures as GaussianFeatures
from .linear_field import LinearField as LinearField
from .network_field import NetworkField as NetworkField
from .on_grid import on_axes as on_axes, on_grid as on_grid
from .periodic_features import PeriodicFeatures as PeriodicFeatures
from .pig import PIG as PIG
from .polynomial_features import PolynomialFeatures as PolynomialFeatures
from .reflected_features import ReflectedFeatures as ReflectedFeatures
from .separable_field import SeparableField as SeparableField
from .stream_velocity import StreamVelocity as StreamVelocity
from .vanishing_features import VanishingFeatures as VanishingFeatures
