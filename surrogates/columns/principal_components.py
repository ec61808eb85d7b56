import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from closurax.physics.errors import DataError


class PrincipalComponents(eqx.Module):
    r"""A Gaussian with a few principal directions, and equal variance in all others.

    Probabilistic principal component analysis, Tipping and Bishop 1999, J. R. Stat. Soc. B 61,
    611: the covariance $\sum_i (\lambda_i - \sigma^2) d_i d_i^T + \sigma^2 I$ with the largest
    eigenvalues $\lambda_i$ of that of the data, their vectors $d_i$, and the mean $\sigma^2$ of
    the other eigenvalues.
    """

    mean: Float[Array, " feature"]
    directions: Float[Array, "component feature"]
    spread: Float[Array, " component"]
    """The standard deviations along the directions."""
    noise: Float[Array, ""]
    """The standard deviation in all other directions."""

    @classmethod
    def fit(cls, vectors: Float[np.ndarray, "sample feature"], count: int) -> "PrincipalComponents":
        """**Arguments:**

        - `vectors`: the data.
        - `count`: how many directions to keep, fewer than features and samples.

        Raises `DataError` if there are too few data or features, or the data have no variance
        in `count` directions.
        """
        samples, size = vectors.shape
        if not 1 <= count < min(samples, size):
            raise DataError(
                f"{count} principal components need more than as many features and samples; "
                f"there are {size} features of {samples} samples."
            )
        mean = vectors.mean(axis=0, dtype=float)
        covariance = np.cov(vectors - mean, rowvar=False, dtype=float)
        variances, vectors_of = np.linalg.eigh(covariance)
        variances, vectors_of = variances[::-1], vectors_of[:, ::-1]
        if variances[count - 1] <= 1e-12 * variances[0]:
            raise DataError(
                f"The data vary in fewer than {count} directions; keep fewer principal components."
            )
        rest = max(float(variances[count:].mean()), 1e-12 * float(variances[0]))
        dtype = jnp.result_type(float)
        return cls(
            mean=jnp.asarray(mean, dtype),
            directions=jnp.asarray(vectors_of[:, :count].T, dtype),
            spread=jnp.asarray(np.sqrt(variances[:count]), dtype),
            noise=jnp.asarray(np.sqrt(rest), dtype),
        )

    def project(self, vector: Float[Array, " feature"]) -> Float[Array, " component"]:
        """The coordinates along the principal directions."""
        return self.directions @ (vector - self.mean)

    def distance(self, vector: Float[Array, " feature"]) -> Float[Array, ""]:
        """The Mahalanobis distance from the mean; among Gaussian data its square has the mean
        of the number of features."""
        centred = vector - self.mean
        coordinates = self.directions @ centred
        rest = centred - coordinates @ self.directions
        return jnp.sqrt(
            jnp.sum((coordinates / self.spread) ** 2) + jnp.sum((rest / self.noise) ** 2)
        )
