"""The closed list of classes that a surrogate file may name.

The names in files stay when a class moves: change the right-hand side only.
"""

from collections.abc import Mapping
from typing import Final

import equinox as eqx

from closurax.datasets.normalisers import Standardiser
from closurax.physics import closures, coupling
from closurax.physics.column import PersistentConvection
from closurax.physics.column.kain_fritsch import MultiScaleKainFritsch

from . import closures as learned_closures, columns, fields, operators
from .closures import (
    ConvolutionalClosure,
    ScaledSpectralViscosity,
    SpectralEddyViscosity,
    SymmetrisedClosure,
)
from .reinforcement.gaussian_policy import GaussianPolicy
from .reinforcement.tanh_network import TanhNetwork

CLASSES: Final[Mapping[str, type[eqx.Module]]] = {
    "closurax.surrogates.ConvolutionalClosure": ConvolutionalClosure,
    "closurax.surrogates.SpectralEddyViscosity": SpectralEddyViscosity,
    "closurax.surrogates.SymmetrisedClosure": SymmetrisedClosure,
    "closurax.surrogates.closures.AgentClosure": learned_closures.AgentClosure,
    "closurax.surrogates.closures.AgentLattice": learned_closures.AgentLattice,
    "closurax.surrogates.closures.BackscatterForm": learned_closures.BackscatterForm,
    "closurax.surrogates.closures.ConvolutionalPolicy": learned_closures.ConvolutionalPolicy,
    "closurax.surrogates.closures.HeldCoefficients": learned_closures.HeldCoefficients,
    "closurax.surrogates.closures.LeithForm": learned_closures.LeithForm,
    "closurax.surrogates.closures.LocalInvariants": learned_closures.LocalInvariants,
    "closurax.surrogates.closures.ScaledSpectralViscosity": ScaledSpectralViscosity,
    "closurax.surrogates.closures.SmagorinskyForm": learned_closures.SmagorinskyForm,
    "closurax.surrogates.columns.BiLSTM": columns.BiLSTM,
    "closurax.surrogates.columns.DiagonalStateSpace": columns.DiagonalStateSpace,
    "closurax.surrogates.columns.LevelConvolution": columns.LevelConvolution,
    "closurax.surrogates.columns.LevelMixing": columns.LevelMixing,
    "closurax.surrogates.columns.LevelwiseNetwork": columns.LevelwiseNetwork,
    "closurax.surrogates.columns.DenseNetwork": columns.DenseNetwork,
    "closurax.surrogates.columns.ColumnFeatures": columns.ColumnFeatures,
    "closurax.surrogates.columns.ParcelFeatures": columns.ParcelFeatures,
    "closurax.surrogates.columns.TendencyScaling": columns.TendencyScaling,
    "closurax.surrogates.columns.ConvectionNetwork": columns.ConvectionNetwork,
    "closurax.surrogates.columns.PositiveRain": columns.PositiveRain,
    "closurax.surrogates.columns.PositiveCondensate": columns.PositiveCondensate,
    "closurax.surrogates.columns.OnlyWhereTriggered": columns.OnlyWhereTriggered,
    "closurax.surrogates.columns.OnlyBelowTop": columns.OnlyBelowTop,
    "closurax.surrogates.columns.ClosedMomentum": columns.ClosedMomentum,
    "closurax.surrogates.columns.ClosedWater": columns.ClosedWater,
    "closurax.surrogates.columns.EnoughVapour": columns.EnoughVapour,
    "closurax.surrogates.columns.ClassMeanConvection": columns.ClassMeanConvection,
    "closurax.surrogates.columns.LinearConvection": columns.LinearConvection,
    "closurax.surrogates.columns.NearestNeighbourConvection": columns.NearestNeighbourConvection,
    "closurax.surrogates.columns.LinearDiscriminant": columns.LinearDiscriminant,
    "closurax.surrogates.columns.PrincipalComponents": columns.PrincipalComponents,
    "closurax.surrogates.columns.EnsembleConvection": columns.EnsembleConvection,
    "closurax.surrogates.columns.EnvelopeScore": columns.EnvelopeScore,
    "closurax.surrogates.operators.MgNO": operators.MgNO,
    "closurax.surrogates.operators.FNO": operators.FNO,
    "closurax.surrogates.operators.FactorisedFNO": operators.FactorisedFNO,
    "closurax.surrogates.operators.UNet": operators.UNet,
    "closurax.surrogates.operators.DeepONet": operators.DeepONet,
    "closurax.surrogates.operators.WithCoordinates": operators.WithCoordinates,
    "closurax.surrogates.operators.Resampled": operators.Resampled,
    "closurax.surrogates.operators.ConservedMean": operators.ConservedMean,
    "closurax.surrogates.operators.ResidualStep": operators.ResidualStep,
    "closurax.surrogates.operators.SymmetrisedOperator": operators.SymmetrisedOperator,
    "closurax.surrogates.operators.InBFloat16": operators.InBFloat16,
    "closurax.surrogates.operators.FieldSurrogate": operators.FieldSurrogate,
    "closurax.surrogates.operators.OperatorClosure": operators.OperatorClosure,
    "closurax.surrogates.reinforcement.GaussianPolicy": GaussianPolicy,
    "closurax.surrogates.reinforcement.TanhNetwork": TanhNetwork,
    "closurax.surrogates.fields.LinearField": fields.LinearField,
    "closurax.surrogates.fields.GaussianFeatures": fields.GaussianFeatures,
    "closurax.surrogates.fields.FullGaussianFeatures": fields.FullGaussianFeatures,
    "closurax.surrogates.fields.PeriodicFeatures": fields.PeriodicFeatures,
    "closurax.surrogates.fields.PIG": fields.PIG,
    "closurax.surrogates.fields.FourierFeatures": fields.FourierFeatures,
    "closurax.surrogates.fields.NetworkField": fields.NetworkField,
    "closurax.surrogates.fields.SeparableField": fields.SeparableField,
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
    "closurax.physics.coupling.GuardedConvection": coupling.GuardedConvection,
    "closurax.physics.coupling.LimitedConvection": coupling.LimitedConvection,
    "closurax.physics.coupling.ConservativeConvection": coupling.ConservativeConvection,
    "closurax.physics.column.MultiScaleKainFritsch": MultiScaleKainFritsch,
    "closurax.physics.column.PersistentConvection": PersistentConvection,
}
