if __name__ == "surrogates":
    raise ModuleNotFoundError(
        "This folder is the package `closurax.surrogates`: write `import closurax.surrogates`."
    )

from . import (
    columns as columns,
    fields as fields,
    operators as operators,
    reinforcement as reinforcement,
)
from .array_file import read_header as read_header
from .closures import (
    ConvolutionalClosure as ConvolutionalClosure,
    ScaledSpectralViscosity as ScaledSpectralViscosity,
    SpectralEddyViscosity as SpectralEddyViscosity,
    SymmetrisedClosure as SymmetrisedClosure,
)
from .columns import (
    BiLSTM as BiLSTM,
    ClassMeanConvection as ClassMeanConvection,
    ColumnFeatures as ColumnFeatures,
    ConvectionNetwork as ConvectionNetwork,
    DenseNetwork as DenseNetwork,
    DiagonalStateSpace as DiagonalStateSpace,
    EnsembleConvection as EnsembleConvection,
    EnvelopeScore as EnvelopeScore,
    LevelConvolution as LevelConvolution,
    LevelMixing as LevelMixing,
    LevelwiseNetwork as LevelwiseNetwork,
    LinearConvection as LinearConvection,
    NearestNeighbourConvection as NearestNeighbourConvection,
    TendencyScaling as TendencyScaling,
    convection_loss as convection_loss,
    convection_scores as convection_scores,
)
from .convolve import convolve as convolve
from .operators import (
    FNO as FNO,
    AbstractOperator as AbstractOperator,
    ConservedMean as ConservedMean,
    DeepONet as DeepONet,
    FactorisedFNO as FactorisedFNO,
    FieldSurrogate as FieldSurrogate,
    InBFloat16 as InBFloat16,
    MgNO as MgNO,
    OperatorClosure as OperatorClosure,
    Resampled as Resampled,
    ResidualStep as ResidualStep,
    UNet as UNet,
    VCycle as VCycle,
    WithCoordinates as WithCoordinates,
)
from .surrogate_file import load as load, save as save
from .training import (
    FitResult as FitResult,
    SpectrumLoss as SpectrumLoss,
    a_priori_scores as a_priori_scores,
    ensemble_kalman_inversion as ensemble_kalman_inversion,
    evolve_gaussians as evolve_gaussians,
    fit as fit,
    fit_coefficients as fit_coefficients,
    fit_gaussians as fit_gaussians,
    fit_observations as fit_observations,
    fit_pair_gaussians as fit_pair_gaussians,
    fit_stream_gaussians as fit_stream_gaussians,
    grow_gaussians as grow_gaussians,
    mean_squared_error as mean_squared_error,
    prune_gaussians as prune_gaussians,
    restore_model as restore_model,
    rollout_loss as rollout_loss,
    tendency_loss as tendency_loss,
    train_online as train_online,
    train_physics_informed as train_physics_informed,
    trainable_arrays as trainable_arrays,
)
