"""The closed list of classes that a surrogate file may name.

The names in files stay when a class moves: change the right-hand side only.
"""

from collections.abc import Mapping
from typing import Final

import equinox as eqx

from closurax.datasets.normalisers import Standardiser
from closurax.physics import closures, coupling

from .closures import ConvolutionalClosure, SpectralEddyViscosity, SymmetrisedClosure

CLASSES: Final[Mapping[str, type[eqx.Module]]] = {
    "closurax.surrogates.ConvolutionalClosure": ConvolutionalClosure,
    "closurax.surrogates.SpectralEddyViscosity": SpectralEddyViscosity,
    "closurax.surrogates.SymmetrisedClosure": SymmetrisedClosure,
    "closurax.datasets.Standardiser": Standardiser,
    "closurax.physics.closures.NoClosure": closures.NoClosure,
    "closurax.physics.closures.Smagorinsky": closures.Smagorinsky,
    "closurax.physics.closures.Leith": closures.Leith,
    "closurax.physics.closures.DynamicSmagorinsky": closures.DynamicSmagorinsky,
    "closurax.physics.closures.DynamicLeith": closures.DynamicLeith,
    "closurax.physics.closures.TimeAveragedDynamicLeith": closures.TimeAveragedDynamicLeith,
    "closurax.physics.closures.JansenHeldBackscatter": closures.JansenHeldBackscatter,
    "closurax.physics.closures.GradientModel": closures.GradientModel,
    "closurax.physics.coupling.Sum": coupling.Sum,
    "closurax.physics.coupling.Scaled": coupling.Scaled,
    "closurax.physics.coupling.Limited": coupling.Limited,
    "closurax.physics.coupling.Dissipative": coupling.Dissipative,
    "closurax.physics.coupling.LocallyDissipative": coupling.LocallyDissipative,
}
