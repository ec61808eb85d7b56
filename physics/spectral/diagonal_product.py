import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Complex


def diagonal_product(
    factor: np.ndarray, field_hat: Complex[Array, "..."], shape: tuple[int, ...]
) -> Complex[Array, "..."]:
    """Multiplies by a real or complex diagonal operator, in the precision of the field.

    **Arguments:**

    - `factor`: broadcast to `shape`, that of the last axes of the field.
    """
    factor = np.broadcast_to(factor, shape)
    kind = field_hat.dtype if np.iscomplexobj(factor) else field_hat.real.dtype
    leading = (1,) * (field_hat.ndim - len(shape))
    factor_array = jnp.asarray(factor, kind).reshape(leading + shape)
    if np.iscomplexobj(factor):
        return factor_array * field_hat
    return lax.complex(factor_array * field_hat.real, factor_array * field_hat.imag)
