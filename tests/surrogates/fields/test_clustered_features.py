import jax
import jax.numpy as jnp
import numpy as np

from closurax.physics.problems import jet_at
from closurax.surrogates.fields import ClusteredFeatures, GaussianFeatures


def test_derivatives_are_those_of_automatic_differentiation(x64):
    generator = np.random.default_rng(0)
    gaussians = GaussianFeatures(
        jnp.asarray(generator.uniform(-1, 1, (4, 2))),
        jnp.asarray(generator.uniform(0.3, 1, (4, 2))),
    )
    features = ClusteredFeatures(gaussians, (-1.0, 0.0), (1.0, 3.0))
    for point in ([0.3, 2.9], [-0.9, 1.0]):
        jet, expected = features.jet(jnp.asarray(point)), jet_at(features, jnp.asarray(point))
        for one, other in zip(jax.tree.leaves(jet), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10)
    np.testing.assert_allclose(
        features(jnp.asarray([1.0, 0.0])), gaussians(jnp.asarray([1.0, -1.0])), rtol=1e-12
    )
