from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Jet(eqx.Module):
    """A field at a point, or at many: values, slopes, and second derivatives along each axis.

    That is what differential equations of second order without mixed derivatives read. Sums and
    products of jets are the jets of the sums and products of the fields.
    """

    value: Float[Array, "*points fields"]
    gradient: Float[Array, "*points fields dims"]
    second: Float[Array, "*points fields dims"]

    def __add__(self, other: "Jet") -> "Jet":
        return jax.tree.map(jnp.add, self, other)

    def __mul__(self, other: "Jet") -> "Jet":
        """The jet of the product of two fields, by the product rule."""
        one, two = self.value[..., None], other.value[..., None]
        return Jet(
            self.value * other.value,
            self.gradient * two + one * other.gradient,
            self.second * two + 2 * self.gradient * other.gradient + one * other.second,
        )


def identity_jet(point: Float[Array, " dims"]) -> Jet:
    """The jet of the coordinates themselves at a point."""
    zeros = jnp.zeros((point.size, point.size), point.dtype)
    return Jet(point, jnp.eye(point.size, dtype=point.dtype), zeros)


def jet_through(function: Callable[[Array], Array], inner: Jet) -> Jet:
    r"""The jet, at one point, of `function` of the fields of `inner`, by the chain rule,

    $$\partial_i^2 f(u) = f''(u)[\partial_i u, \partial_i u] + f'(u)[\partial_i^2 u],$$

    with derivatives along directions alone: no matrix of second derivatives is formed.

    **Arguments:**

    - `function`: maps an array `(fields,)` to one `(other_fields,)`.
    - `inner`: at one point.
    """

    def along(slope, bend):
        def value_and_slope(values):
            return jax.jvp(function, (values,), (slope,))

        (value, first), (_, curvature) = jax.jvp(value_and_slope, (inner.value,), (slope,))
        _, bent = jax.jvp(function, (inner.value,), (bend,))
        return value, first, curvature + bent

    value, gradient, second = jax.vmap(along, in_axes=-1, out_axes=(None, -1, -1))(
        inner.gradient, inner.second
    )
    return Jet(value, gradient, second)


def jet_at(function: Callable[[Array], Array], point: Float[Array, " dims"]) -> Jet:
    """The jet of a function of the coordinates at a point, by automatic differentiation.

    **Arguments:**

    - `function`: maps a point `(dims,)` to values `(fields,)`.
    - `point`: where.
    """
    return jet_through(function, identity_jet(point))
