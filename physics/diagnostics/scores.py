"""How close the statistics of one run are to those of another."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..errors import ClosuraxError


def log_spectrum_error(
    spectrum: Float[Array | np.ndarray, "*batch shells"],
    reference: Float[Array | np.ndarray, " reference_shells"],
    k_min: int = 1,
    k_max: int = 20,
) -> Float[Array, "*batch"]:
    r"""The root mean square of $\ln(S / S_\mathrm{ref})$ over the shells `k_min` to `k_max`.

    Index `n` of both spectra is shell `n` of `shell_wavenumbers`; they may come from different
    grids. Raises `ClosuraxError` if one has no shell `k_max`.
    """
    if not 0 <= k_min <= k_max < min(spectrum.shape[-1], reference.shape[-1]):
        raise ClosuraxError(
            f"Shells {k_min} to {k_max} asked for, but the spectra have {spectrum.shape[-1]} and "
            f"{reference.shape[-1]} shells."
        )
    log_spectrum = jnp.log(jnp.asarray(spectrum)[..., k_min : k_max + 1])
    log_reference = jnp.log(jnp.asarray(reference, log_spectrum.dtype)[k_min : k_max + 1])
    log_reference = log_reference.reshape((1,) * (log_spectrum.ndim - 1) + (-1,))
    return jnp.sqrt(jnp.mean((log_spectrum - log_reference) ** 2, axis=-1))
