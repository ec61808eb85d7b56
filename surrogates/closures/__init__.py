"""Closures: resolved fields to subgrid terms."""

from .agent_closure import AgentClosure as AgentClosure
from .agent_lattice import AgentLattice as AgentLattice
from .coefficient_forms import (
    AbstractCoefficientForm as AbstractCoefficientForm,
    BackscatterForm as BackscatterForm,
    LeithForm as LeithForm,
    SmagorinskyForm as SmagorinskyForm,
)
from .convolutional import ConvolutionalClosure as ConvolutionalClosure
from .convolutional_policy import ConvolutionalPolicy as ConvolutionalPolicy
from .held_coefficients import HeldCoefficients as HeldCoefficients
from .local_invariants import LocalInvariants as LocalInvariants
from .periodic_convolution import PeriodicConvolution as PeriodicConvolution
from .resolved_spectrum import (
    mean_resolved_spectrum as mean_resolved_spectrum,
    resolved_spectrum as resolved_spectrum,
    resolved_wavenumbers as resolved_wavenumbers,
)
from .scaled_spectral_viscosity import ScaledSpectralViscosity as ScaledSpectralViscosity
from .spectral_eddy_viscosity import SpectralEddyViscosity as SpectralEddyViscosity
from .symmetrised import SymmetrisedClosure as SymmetrisedClosure
