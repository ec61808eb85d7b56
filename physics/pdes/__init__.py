from .advection import Advection as Advection
from .allen_cahn import AllenCahn as AllenCahn
from .burgers import Burgers as Burgers
from .cole_hopf import cole_hopf as cole_hopf
from .conjugate_gradients import ConjugateGradients as ConjugateGradients
from .darcy import Darcy as Darcy
from .darcy_coefficients import (
    AbstractCoefficient as AbstractCoefficient,
    TrigonometricCoefficient as TrigonometricCoefficient,
    TwoValuedCoefficient as TwoValuedCoefficient,
    rough_two_valued as rough_two_valued,
    smooth_two_valued as smooth_two_valued,
)
from .diffusion_operator import DiffusionOperator as DiffusionOperator
from .gaussian_random_field import (
    AbstractModes as AbstractModes,
    CosineModes as CosineModes,
    FourierModes as FourierModes,
    GaussianRandomField as GaussianRandomField,
)
from .geometric_multigrid import GeometricMultigrid as GeometricMultigrid
from .helmholtz import Helmholtz as Helmholtz, window_flux as window_flux
from .kuramoto_sivashinsky import KuramotoSivashinsky as KuramotoSivashinsky
from .navier_stokes import DiagonalForcing as DiagonalForcing, navier_stokes as navier_stokes
from .periodic_pde import AbstractPeriodicPDE as AbstractPeriodicPDE, subgrid_slot as subgrid_slot
from .periodic_random_field import PeriodicRandomField as PeriodicRandomField
from .points import cell_centres as cell_centres, nodes as nodes
from .random_initial_state import (
    AbstractInitialState as AbstractInitialState,
    BalancedInitialState as BalancedInitialState,
    RandomInitialState as RandomInitialState,
)
from .shallow_water import ShallowWater as ShallowWater
from .wave_speed import WaveSpeed as WaveSpeed
