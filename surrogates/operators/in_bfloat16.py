import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Float, PyTree

from closurax.datasets.normalisers import Standardiser
from closurax.physics.errors import ClosuraxError

from .conserved_mean import ConservedMean
from .operator import AbstractOperator
from .resampled import Resampled
from .residual_step import ResidualStep
from .spectral_convolution import SpectralConvolution

# What must not be computed with eight bits, and what to do instead.
_REFUSED: dict[type[eqx.Module], str] = {
    SpectralConvolution: "no Fourier transform takes bfloat16; leave this operator in float32",
    Standardiser: "normalise in float32: FieldSurrogate(InBFloat16(operator), ...)",
    Resampled: "interpolate in float32: Resampled(InBFloat16(operator), ...)",
    ConservedMean: "take means in float32: ConservedMean(InBFloat16(operator))",
    ResidualStep: "add up the steps in float32: ResidualStep(InBFloat16(operator))",
}


class InBFloat16(AbstractOperator):
    """An operator that computes in bfloat16, with its parameters and gradients in float32.

    The parameters stay as they are, in float32 as a rule; at each call copies of them and of the
    fields are rounded to bfloat16, which has the range of float32 and 8 bits of precision, and
    the result has the precision of the fields again (Micikevicius et al. 2018, arXiv 1710.03740,
    section 3.1; Kalamkar et al. 2019, arXiv 1905.12322, for bfloat16 without a scaled loss). The
    gradient with respect to the parameters is in their own precision, and so are the loss, the
    normalisers and the optimiser, which are outside. Expect relative errors of about one per
    cent in the output, and no training to a smaller error than that.

    It halves the memory of activations and is for accelerators with units for bfloat16. On a CPU
    convolutions in bfloat16 are slower than in float32: measure before you use it. Coordinates
    are rounded like all fields: above 256 points an axis, a `WithCoordinates` or `DeepONet`
    inside no longer tells neighbours apart.
    """

    operator: AbstractOperator
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)

    def __init__(self, operator: AbstractOperator):
        """**Arguments:**

        - `operator`: of convolutions, V-cycles and dense layers, such as `MgNO`, `UNet` and
            `DeepONet`.

        Raises `ClosuraxError` for an operator with a part that needs float32: a Fourier
        transform, a normaliser, an interpolation between grids, a mean, or a sum over steps
            in time.
        """
        for part in jtu.tree_leaves(operator, is_leaf=lambda node: type(node) in _REFUSED):
            if type(part) in _REFUSED:
                raise ClosuraxError(
                    f"{type(operator).__name__} cannot compute in bfloat16 because of its "
                    f"{type(part).__name__}: {_REFUSED[type(part)]}."
                )
        self.operator = operator
        self.in_channels, self.out_channels = operator.in_channels, operator.out_channels

    def __call__(
        self, fields: Float[Array, "in_channels *space"]
    ) -> Float[Array, "out_channels *space"]:
        return _rounded(self.operator)(_rounded(fields)).astype(fields.dtype)


def _rounded(tree: PyTree) -> PyTree:
    return jtu.tree_map(
        lambda leaf: (
            leaf.astype(jnp.bfloat16)
            if eqx.is_array(leaf) and jnp.issubdtype(leaf.dtype, jnp.floating)
            else leaf
        ),
        tree,
    )
