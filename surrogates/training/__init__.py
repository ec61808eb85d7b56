"""Training: finding the arrays of a learned module."""

from .a_priori import a_priori_scores as a_priori_scores
from .causal_collocation import CausalCollocation as CausalCollocation
from .checkpoint import restore_model as restore_model
from .collocation import AbstractCollocation as AbstractCollocation, Collocation as Collocation
from .ensemble_kalman import (
    Calibration as Calibration,
    ensemble_kalman_inversion as ensemble_kalman_inversion,
)
from .evolve_field import evolve as evolve
from .evolve_gaussians import (
    GaussianEvolution as GaussianEvolution,
    evolve_gaussians as evolve_gaussians,
)
from .field_losses import (
    relative_h1 as relative_h1,
    relative_h1_loss as relative_h1_loss,
    relative_l2 as relative_l2,
    relative_l2_loss as relative_l2_loss,
)
from .field_optimiser import (
    AbstractFieldOptimiser as AbstractFieldOptimiser,
    Equations as Equations,
)
from .fit_coefficients import CoefficientFit as CoefficientFit, fit_coefficients as fit_coefficients
from .fit_gaussians import GaussianFit as GaussianFit, fit_gaussians as fit_gaussians
from .fit_observations import ObservationFit as ObservationFit, fit_observations as fit_observations
from .fit_pair_gaussians import (
    PairGaussiansFit as PairGaussiansFit,
    fit_pair_gaussians as fit_pair_gaussians,
    interacting_coordinates as interacting_coordinates,
)
from .fit_stream_gaussians import (
    fit_stream_gaussians as fit_stream_gaussians,
    stream_lift as stream_lift,
)
from .gradient_descent import GradientDescent as GradientDescent
from .grid_collocation import GridCollocation as GridCollocation
from .grow_gaussians import GrownGaussians as GrownGaussians, grow_gaussians as grow_gaussians
from .levenberg_marquardt import LevenbergMarquardt as LevenbergMarquardt
from .losses import mean_squared_error as mean_squared_error, tendency_loss as tendency_loss
from .measured_collocation import MeasuredCollocation as MeasuredCollocation
from .natural_gradient import NaturalGradient as NaturalGradient
from .offline import FitResult as FitResult, fit as fit
from .online import OnlineResult as OnlineResult, train_online as train_online
from .physics_informed import (
    PhysicsInformedFit as PhysicsInformedFit,
    train_physics_informed as train_physics_informed,
)
from .place_gaussians import Density as Density
from .point_sampler import (
    AbstractPointSampler as AbstractPointSampler,
    UniformPoints as UniformPoints,
)
from .prune_gaussians import PrunedGaussians as PrunedGaussians, prune_gaussians as prune_gaussians
from .quasi_newton import QuasiNewton as QuasiNewton
from .residual_adaptive_points import ResidualAdaptivePoints as ResidualAdaptivePoints
from .resolved_tendency import resolved_tendency as resolved_tendency
from .rollout_loss import rollout_loss as rollout_loss
from .self_scaled_broyden import SelfScaledBroyden as SelfScaledBroyden
from .solve_weights import WeightSolution as WeightSolution, solve_weights as solve_weights
from .spectrum_loss import SpectrumLoss as SpectrumLoss
from .trainable import trainable_arrays as trainable_arrays
from .trajectory_loss import trajectory_loss as trajectory_loss
from .variable_projection import VariableProjection as VariableProjection
