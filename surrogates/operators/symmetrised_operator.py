import equinox as eqx
import jax
from jaxtyping import Array, Float

from closurax.physics.errors import GridMismatchError

from ..square_symmetries import mean_turned_back, turned_copies
from .operator import AbstractOperator


class SymmetrisedOperator(AbstractOperator):
    r"""The mean of an operator over the eight rotations and reflections of the square,

    $$\frac{1}{8} \sum_{g \in D_4} g^{-1} \mathcal{G}(g u),$$

    which commutes with all of them, whatever $\mathcal{G}$ is. For problems that these do not
    change, between scalar fields: components of vectors would have to be turned, too.

    It costs eight times the operator. Around a trained operator it needs no further training, and
    takes off what is not symmetric of its error.
    """

    operator: AbstractOperator
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)

    def __init__(self, operator: AbstractOperator):
        """**Arguments:**

        - `operator`: between fields on squares.
        """
        self.operator = operator
        self.in_channels, self.out_channels = operator.in_channels, operator.out_channels

    def __call__(
        self, fields: Float[Array, "in_channels nx ny"]
    ) -> Float[Array, "out_channels nx ny"]:
        """Raises `GridMismatchError` unless the grid is square."""
        _, nx, ny = fields.shape
        if nx != ny:
            raise GridMismatchError(
                f"SymmetrisedOperator turns fields on squares, not on {nx} x {ny} points."
            )
        return mean_turned_back(jax.vmap(self.operator)(turned_copies(fields)))
