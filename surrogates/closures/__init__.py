"""Closures: resolved fields to subgrid terms."""

from .convolutional import ConvolutionalClosure as ConvolutionalClosure
from .periodic_convolution import PeriodicConvolution as PeriodicConvolution
from .spectral_eddy_viscosity import SpectralEddyViscosity as SpectralEddyViscosity
from .symmetrised import SymmetrisedClosure as SymmetrisedClosure
