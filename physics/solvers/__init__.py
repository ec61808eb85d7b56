from .cfl import CFL as CFL
from .diagonal_linear_term import DiagonalLinearTerm as DiagonalLinearTerm
from .diagonal_root_finder import DiagonalRootFinder as DiagonalRootFinder
from .etdrk2 import ETDRK2 as ETDRK2
from .etdrk4 import ETDRK4 as ETDRK4
from .exponential_solver import AbstractExponentialSolver as AbstractExponentialSolver
from .ifrk4 import IFRK4 as IFRK4
from .once_per_step import OncePerStep as OncePerStep, OncePerStepTerm as OncePerStepTerm
