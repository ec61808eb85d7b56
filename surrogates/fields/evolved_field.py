from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from closurax.physics.problems import Jet, jet_at

from .features import AbstractFeatures
from .field import AbstractField
from .linear_field import LinearField


class EvolvedField(AbstractField):
    r"""A combination of features of space whose weights depend on time,

    $$u(t, x) = u_0(t, x) + \sum_n w_n(t) \, \phi_n(x).$$

    Between the times that are kept the weights are cubic polynomials with the right values and
    slopes at both ends (of Hermite), whose error is of the fourth power of the distance.
    """

    features: AbstractFeatures
    """Functions of a point in space."""
    times: Float[Array, " times"]
    """Which rise."""
    weights: Float[Array, "times features fields"]
    slopes: Float[Array, "times features fields"]
    """Derivatives of the weights with respect to time."""
    offset: Callable[[Array], Array] | None = None
    """$u_0$, a function of a point in time and space; `None` is zero."""

    def __call__(self, point: Float[Array, " dims"]) -> Float[Array, " fields"]:
        value = self.features(point[1:]) @ self._weights(point[0])[0]
        return value if self.offset is None else value + self.offset(point)

    def jet(self, point: Float[Array, " dims"]) -> Jet:
        return self.jet_with(self.features.jet(point[1:]), point)

    def jet_with(self, features: Jet, point: Float[Array, " dims"]) -> Jet:
        """The jet from that of the features at this place, which all times share."""
        now, slope, bend = self._weights(point[0])

        def with_time(in_time, in_space):
            along = jnp.einsum("nd,nf->fd", in_space, now)
            return jnp.concatenate([(features.value @ in_time)[:, None], along], axis=1)

        jet = Jet(
            features.value @ now,
            with_time(slope, features.gradient),
            with_time(bend, features.second),
        )
        if self.offset is None:
            return jet
        if isinstance(self.offset, AbstractField):
            return jet + self.offset.jet(point)
        return jet + jet_at(self.offset, point)

    def at(self, time: float | Float[Array, ""]) -> LinearField:
        """The field at one time, a function of space, without the offset."""
        return LinearField(self.features, self._weights(jnp.asarray(time, self.times.dtype))[0])

    def _weights(self, time: Float[Array, ""]) -> tuple[Array, Array, Array]:
        """The weights at a time and their first two derivatives."""
        begin = jnp.clip(jnp.searchsorted(self.times, time, side="right") - 1, 0)
        begin = jnp.minimum(begin, len(self.times) - 2)
        step = self.times[begin + 1] - self.times[begin]
        part = (time - self.times[begin]) / step
        left, right = self.weights[begin], self.weights[begin + 1]
        slope_left, slope_right = step * self.slopes[begin], step * self.slopes[begin + 1]
        rise = right - left
        # The polynomial is left + part * (first + part * (second + part * third)).
        second = 3 * rise - 2 * slope_left - slope_right
        third = slope_left + slope_right - 2 * rise
        return (
            left + part * (slope_left + part * (second + part * third)),
            (slope_left + part * (2 * second + 3 * part * third)) / step,
            (2 * second + 6 * part * third) / step**2,
        )
