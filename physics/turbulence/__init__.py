from .advection import vorticity_advection as vorticity_advection
from .barotropic import BarotropicVorticity as BarotropicVorticity
from .forcing import AbstractForcing as AbstractForcing, CosineForcing as CosineForcing
from .initial import random_vorticity as random_vorticity
