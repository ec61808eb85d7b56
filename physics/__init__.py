if __name__ == "physics":
    raise ModuleNotFoundError(
        "This folder is the package `closurax.physics`: write `import closurax.physics`."
    )

from . import (
    closures as closures,
    column as column,
    coupling as coupling,
    diagnostics as diagnostics,
    errors as errors,
    pdes as pdes,
    problems as problems,
    solvers as solvers,
    spectral as spectral,
    turbulence as turbulence,
)
from .model import AbstractModel as AbstractModel
from .scheme import (
    AbstractMemorylessScheme as AbstractMemorylessScheme,
    AbstractScheme as AbstractScheme,
    Quantity as Quantity,
    Slot as Slot,
)
from .semilinear_model import AbstractSemilinearModel as AbstractSemilinearModel
