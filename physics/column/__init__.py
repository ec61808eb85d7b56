from . import thermodynamics as thermodynamics
from .convection import AbstractConvection as AbstractConvection
from .persistent_convection import (
    ConvectiveMemory as ConvectiveMemory,
    PersistentConvection as PersistentConvection,
)
