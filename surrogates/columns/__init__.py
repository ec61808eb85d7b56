"""Columns: profiles to tendencies."""

from .bidirectional_lstm import BiLSTM as BiLSTM
from .class_mean_convection import ClassMeanConvection as ClassMeanConvection
from .column_features import ColumnFeatures as ColumnFeatures
from .column_network import (
    AbstractColumnNetwork as AbstractColumnNetwork,
    ColumnPrediction as ColumnPrediction,
)
from .constraints import (
    ALL_CONSTRAINTS as ALL_CONSTRAINTS,
    AbstractConstraint as AbstractConstraint,
    ClosedMomentum as ClosedMomentum,
    ClosedWater as ClosedWater,
    EnoughVapour as EnoughVapour,
    OnlyBelowTop as OnlyBelowTop,
    OnlyWhereTriggered as OnlyWhereTriggered,
    PositiveCondensate as PositiveCondensate,
    PositiveRain as PositiveRain,
)
from .convection_loss import (
    LossWeights as LossWeights,
    convection_loss as convection_loss,
    loss_terms as loss_terms,
)
from .convection_network import ConvectionNetwork as ConvectionNetwork
from .convection_scores import (
    convection_outputs as convection_outputs,
    convection_scores as convection_scores,
)
from .decision import Decision as Decision, decide as decide, probabilities as probabilities
from .dense_network import DenseNetwork as DenseNetwork
from .diagonal_state_space import (
    BidirectionalStateSpace as BidirectionalStateSpace,
    DiagonalStateSpace as DiagonalStateSpace,
)
from .ensemble_convection import EnsembleConvection as EnsembleConvection
from .envelope_score import EnvelopeScore as EnvelopeScore
from .features import (
    AbstractColumnFeatures as AbstractColumnFeatures,
    Features as Features,
)
from .level_convolution import LevelConvolution as LevelConvolution
from .level_mixing import LevelMixing as LevelMixing
from .levelwise_network import LevelwiseNetwork as LevelwiseNetwork
from .linear_convection import LinearConvection as LinearConvection
from .linear_discriminant import LinearDiscriminant as LinearDiscriminant
from .nearest_neighbour_convection import (
    NearestNeighbourConvection as NearestNeighbourConvection,
)
from .parcel_features import ParcelFeatures as ParcelFeatures
from .principal_components import PrincipalComponents as PrincipalComponents
from .tendency_scaling import TendencyScaling as TendencyScaling
from .training_columns import training_columns as training_columns
from .trunk import AbstractTrunk as AbstractTrunk
