from .advection import vorticity_advection as vorticity_advection
from .barotropic import BarotropicVorticity as BarotropicVorticity
from .forcing import CosineForcing as CosineForcing
from .initial import random_vorticity as random_vorticity
