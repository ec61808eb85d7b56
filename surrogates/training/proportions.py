import numpy as np
from jaxtyping import Float


def stretched(
    proportions: Float[np.ndarray, " axes"], axis: int, factor: float
) -> Float[np.ndarray, " axes"]:
    """Proportions with one axis longer by a factor, and a geometric mean of 1 again."""
    changed = proportions.copy()
    changed[axis] *= factor
    return changed / np.prod(changed) ** (1 / len(changed))
