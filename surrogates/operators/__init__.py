"""Operators: learned maps from functions on a grid to functions on the same grid."""

from .conserved_mean import ConservedMean as ConservedMean
from .deeponet import DeepONet as DeepONet
from .factorised_fourier_operator import FactorisedFNO as FactorisedFNO
from .field_surrogate import FieldSurrogate as FieldSurrogate
from .fourier_operator import FNO as FNO
from .in_bfloat16 import InBFloat16 as InBFloat16
from .mgno import MgNO as MgNO
from .multigrid_v_cycle import multigrid_v_cycle as multigrid_v_cycle
from .operator import AbstractOperator as AbstractOperator
from .operator_closure import OperatorClosure as OperatorClosure
from .resampled import Resampled as Resampled
from .residual_step import ResidualStep as ResidualStep
from .symmetrised_operator import SymmetrisedOperator as SymmetrisedOperator
from .unet import UNet as UNet
from .v_cycle import VCycle as VCycle
from .v_cycle_preconditioner import VCyclePreconditioner as VCyclePreconditioner
from .with_coordinates import WithCoordinates as WithCoordinates
