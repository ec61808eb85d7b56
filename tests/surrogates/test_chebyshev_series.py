import jax
import jax.numpy as jnp
import numpy as np

from closurax.surrogates.training.chebyshev_series import chebyshev_series


def test_a_smooth_function_is_its_series(x64):
    def waves(t):
        return jnp.concatenate([jnp.cos(9 * t), 1 / (2 + t)])

    series = chebyshev_series(waves, -1.0, 3.0, 1e-13)
    assert series is not None
    times = jnp.linspace(-1, 3, 101)[:, None]
    found = jax.vmap(series)(times)
    np.testing.assert_allclose(found, jax.vmap(waves)(times), atol=1e-12)


def test_what_has_a_kink_has_none(x64):
    assert chebyshev_series(jnp.abs, -1.0, 2.0, 1e-8) is None
