"""Training: finding the arrays of a learned module."""

from .a_priori import a_priori_scores as a_priori_scores
from .checkpoint import restore_model as restore_model
from .losses import mean_squared_error as mean_squared_error, tendency_loss as tendency_loss
from .offline import FitResult as FitResult, fit as fit
from .resolved_tendency import resolved_tendency as resolved_tendency
from .trainable import trainable_arrays as trainable_arrays
from .trajectory_loss import trajectory_loss as trajectory_loss
