"""Closures: resolved fields to subgrid terms."""

from .convolutional import ConvolutionalClosure as ConvolutionalClosure
from .periodic_convolution import PeriodicConvolution as PeriodicConvolution
from .symmetrised import SymmetrisedClosure as SymmetrisedClosure
