"""Schemes whose backscatter is removed, as a whole or point by point."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..errors import SchemeMismatchError
from ..scheme import AbstractScheme, Quantity
from .wrapper import AbstractWrapper

VORTICITY = Quantity("vorticity", "s-1")
SPECTRAL_VORTICITY = Quantity("spectral_vorticity", "s-1")
VORTICITY_TENDENCY = Quantity("vorticity_tendency", "s-2")
SPECTRAL_VORTICITY_TENDENCY = Quantity("spectral_vorticity_tendency", "s-2")


class Dissipative(AbstractWrapper):
    r"""A scheme that never produces enstrophy in the domain mean.

    If $\langle \omega \Pi \rangle > 0$, the projection of the tendency $\Pi$ on the vorticity is
    subtracted, $\Pi - \omega \langle \omega \Pi \rangle / \langle \omega^2 \rangle$, which leaves
    no production at all; otherwise nothing is changed.

    Raises `SchemeMismatchError` at construction unless the scheme returns one tendency of the
    vorticity, physical or spectral.
    """

    scheme: AbstractScheme

    def __check_init__(self):
        _check_returns("Dissipative", self.scheme)

    @property
    def needs(self) -> tuple[Quantity, ...]:
        physical = self.scheme.returns == (VORTICITY_TENDENCY,)
        return (VORTICITY if physical else SPECTRAL_VORTICITY,)

    def adjust(self, tendencies: dict[str, Array], inputs: Mapping[str, Any]) -> dict[str, Array]:
        ((name, tendency),) = tendencies.items()
        if name == VORTICITY_TENDENCY.name:
            vorticity = inputs[VORTICITY.name]
            weight = np.ones(())
        else:
            vorticity = inputs[SPECTRAL_VORTICITY.name]
            weight = np.broadcast_to(inputs["grid"].parseval_weight, vorticity.shape)
        weighted = jnp.asarray(weight, vorticity.dtype) * vorticity
        production = jnp.vdot(weighted, tendency).real
        enstrophy = jnp.vdot(weighted, vorticity).real
        is_producing = production > 0
        excess = jnp.where(is_producing, production, 0.0) / jnp.where(is_producing, enstrophy, 1.0)
        return {name: tendency - excess.astype(vorticity.dtype) * vorticity}


class LocallyDissipative(AbstractWrapper):
    r"""A scheme whose tendency is zero wherever it would act like a negative eddy viscosity.

    Where $\Pi \nabla^2 \omega < 0$, the equivalent eddy viscosity $\Pi / \nabla^2 \omega$ is
    negative. The clipping of Guan et al. 2022, J. Comput. Phys. 458, 111090: it removes most of the
    backscatter but, unlike `Dissipative`, guarantees no sign of the domain-mean production. It
    does not keep the mean vorticity.

    Raises `SchemeMismatchError` at construction unless the scheme returns one tendency of the
    vorticity, physical or spectral.
    """

    scheme: AbstractScheme

    needs = (SPECTRAL_VORTICITY,)

    def __check_init__(self):
        _check_returns("LocallyDissipative", self.scheme)

    def adjust(self, tendencies: dict[str, Array], inputs: Mapping[str, Any]) -> dict[str, Array]:
        grid = inputs["grid"]
        ((name, tendency),) = tendencies.items()
        laplacian_hat = grid.laplacian(inputs[SPECTRAL_VORTICITY.name])
        if name == VORTICITY_TENDENCY.name:
            return {name: _clip(tendency, grid.to_physical(laplacian_hat))}
        physical, laplacian = grid.to_physical(jnp.stack([tendency, laplacian_hat]))
        return {name: grid.to_spectral(_clip(physical, laplacian))}


def _clip(tendency: Array, laplacian: Array) -> Array:
    return jnp.where(tendency * laplacian < 0, 0.0, tendency)


def _check_returns(who: str, scheme: AbstractScheme) -> None:
    if scheme.returns not in ((VORTICITY_TENDENCY,), (SPECTRAL_VORTICITY_TENDENCY,)):
        raise SchemeMismatchError(
            f"{who} takes a scheme that returns just 'vorticity_tendency' or just "
            f"'spectral_vorticity_tendency', in 's-2'; {type(scheme).__name__} returns "
            f"{[tuple(q) for q in scheme.returns]}."
        )
