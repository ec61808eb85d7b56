from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Complex, Float, Key

from .check_fields import check_sizes
from .per_axis import per_axis


class SpectralConvolution(eqx.Module):
    r"""A periodic convolution given by its lowest Fourier coefficients, with the channels first.

    $$\hat u_o(\mathbf{k}) = \sum_i R_{oi}(\mathbf{k})\, \hat f_i(\mathbf{k})$$

    for the wavenumbers $-m \le k < m$ of an axis with $m$ modes, of the last one $0 \le k < m$,
    which with their conjugates make a real field; all others are zero (Li et al. 2021, arXiv
    2010.08895, equation 4). Wavenumbers that a grid does not resolve, its Nyquist wavenumber
    among them, are left out there. So the sum for a band-limited function is the same function
    on each grid that resolves it.
    """

    kernel: Float[Array, "*wavenumbers in_channels out_channels 2"]
    modes: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        modes: Sequence[int],
        deviation: float,
        *,
        key: Key[Array, ""],
    ):
        """**Arguments:**

        - `in_channels`, `out_channels`: at least 1.
        - `modes`: of each axis, in one to three dimensions.
        - `deviation`: the standard deviation of the real and of the imaginary parts, the last
            axis of the kernel, which are drawn from normal distributions.
        """
        check_sizes(in_channels=in_channels, out_channels=out_channels)
        self.modes = per_axis(modes, len(modes), "modes", 1)
        *front, last = self.modes
        shape = (*(2 * m for m in front), last, in_channels, out_channels, 2)
        self.kernel = deviation * jax.random.normal(key, shape)

    def __call__(
        self, fields: Float[Array, "in_channels *space"]
    ) -> Float[Array, "out_channels *space"]:
        sizes = fields.shape[1:]
        rank = len(sizes)
        kept = [_resolved(m, size) for m, size in zip(self.modes, sizes, strict=True)]
        # The transforms along the other axes see only what is left of those before.
        spectrum = jnp.fft.rfft(fields, axis=rank)[..., : kept[-1][0]]
        kernel = lax.slice_in_dim(self.kernel, 0, kept[-1][0], axis=rank - 1)
        for axis, counts in enumerate(kept[:-1]):
            spectrum = _ends(jnp.fft.fft(spectrum, axis=axis + 1), axis + 1, *counts)
            kernel = _ends(kernel, axis, *counts)
        axes = "xyz"[:rank]
        spectrum = jnp.einsum(
            f"i{axes},{axes}io->o{axes}", spectrum, lax.complex(kernel[..., 0], kernel[..., 1])
        )
        for axis, (counts, size) in enumerate(zip(kept[:-1], sizes[:-1], strict=True)):
            spectrum = jnp.fft.ifft(_between(spectrum, axis + 1, *counts, size), axis=axis + 1)
        return jnp.fft.irfft(spectrum, n=sizes[-1], axis=rank)


def _resolved(modes: int, size: int) -> tuple[int, int]:
    """How many wavenumbers from zero upwards and how many below zero a grid has of the modes."""
    return min(modes, (size + 1) // 2), min(modes, (size - 1) // 2)


def _ends(array: Array, axis: int, first: int, last: int) -> Array:
    """The first and the last entries of an axis in the order of the Fourier transform."""
    size = array.shape[axis]
    parts = [lax.slice_in_dim(array, 0, first, axis=axis)]
    if last:
        parts.append(lax.slice_in_dim(array, size - last, size, axis=axis))
    return jnp.concatenate(parts, axis)


def _between(
    spectrum: Complex[Array, "..."], axis: int, first: int, last: int, size: int
) -> Complex[Array, "..."]:
    """The inverse of `_ends`, with zeros between."""
    shape = list(spectrum.shape)
    shape[axis] = size - first - last
    parts = [
        lax.slice_in_dim(spectrum, 0, first, axis=axis),
        jnp.zeros(shape, spectrum.dtype),
        lax.slice_in_dim(spectrum, first, first + last, axis=axis),
    ]
    return jnp.concatenate(parts, axis)
