import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from closurax.physics.errors import DataError


class LinearDiscriminant(eqx.Module):
    r"""Tells classes apart by linear functions of a vector: Gaussians of equal covariance.

    The class with the largest $\mu_c^T \Sigma^{-1} x - \mu_c^T \Sigma^{-1} \mu_c / 2 + \ln \pi_c$,
    with the means $\mu_c$ and frequencies $\pi_c$ of the classes and the covariance $\Sigma$
    within them (Rao 1948, J. R. Stat. Soc. B 10, 159).
    """

    weight: Float[Array, "class feature"]
    bias: Float[Array, " class"]

    @classmethod
    def fit(
        cls,
        vectors: Float[np.ndarray, "sample feature"],
        classes: Int[np.ndarray, " sample"],
        count: int = 3,
        shrinkage: float = 1e-2,
    ) -> "LinearDiscriminant":
        r"""**Arguments:**

        - `vectors`, `classes`: the data; classes count from 0.
        - `count`: of the classes.
        - `shrinkage`: this fraction of the mean variance is added to all variances, so that
            the covariance can be inverted.

        Raises `DataError` if there is no sample of a class.
        """
        sizes = np.bincount(classes, minlength=count)
        if sizes.min() == 0:
            raise DataError(
                f"There are {sizes.tolist()} samples of the classes 0 to {count - 1}; each needs "
                "at least one."
            )
        vectors = np.asarray(vectors, float)
        means = np.stack([vectors[classes == index].mean(axis=0) for index in range(count)])
        within = vectors - means[classes]
        covariance = within.T @ within / len(vectors)
        covariance += shrinkage * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        weight = np.linalg.solve(covariance, means.T).T
        bias = np.log(sizes / sizes.sum()) - 0.5 * np.sum(weight * means, axis=1)
        dtype = jnp.result_type(float)
        return cls(jnp.asarray(weight, dtype), jnp.asarray(bias, dtype))

    def __call__(self, vector: Float[Array, " feature"]) -> Int[Array, ""]:
        """The class of a vector."""
        return jnp.argmax(self.weight @ vector + self.bias)
