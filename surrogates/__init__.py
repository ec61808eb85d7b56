if __name__ == "surrogates":
    raise ModuleNotFoundError(
        "This folder is the package `closurax.surrogates`: write `import closurax.surrogates`."
    )

from .array_file import read_header as read_header
from .closures import (
    ConvolutionalClosure as ConvolutionalClosure,
    SpectralEddyViscosity as SpectralEddyViscosity,
    SymmetrisedClosure as SymmetrisedClosure,
)
from .surrogate_file import load as load, save as save
from .training import (
    FitResult as FitResult,
    a_priori_scores as a_priori_scores,
    fit as fit,
    mean_squared_error as mean_squared_error,
    restore_model as restore_model,
    tendency_loss as tendency_loss,
    trainable_arrays as trainable_arrays,
)
