"""What becomes of the condensate that convection leaves in the air."""

from abc import abstractmethod
from collections.abc import Mapping

import equinox as eqx
from jaxtyping import Array, Float

from .thermodynamics import HEAT_CAPACITY, latent_heat_of_vaporisation


class AbstractCondensate(eqx.Module):
    """Maps tendencies of condensate in kg kg-1 s-1 to tendencies of the state."""

    @abstractmethod
    def __call__(
        self, condensate: Mapping[str, Array], temperature: Float[Array, " level"]
    ) -> dict[str, Array]:
        """`condensate` is by field of `ColumnState`; so are the tendencies."""


class Reevaporated(AbstractCondensate):
    """All condensate evaporates where it is detrained, with the latent heat of vaporisation."""

    def __call__(
        self, condensate: Mapping[str, Array], temperature: Float[Array, " level"]
    ) -> dict[str, Array]:
        if not condensate:
            return {}
        total = sum(list(condensate.values())[1:], start=next(iter(condensate.values())))
        cooling = latent_heat_of_vaporisation(temperature) / HEAT_CAPACITY * total
        return {"temperature": -cooling, "vapour": total}


class Prognostic(AbstractCondensate):
    """Condensate stays in the air: `CloudCondensation` and `Fallout` take it from there."""

    def __call__(
        self, condensate: Mapping[str, Array], temperature: Float[Array, " level"]
    ) -> dict[str, Array]:
        return dict(condensate)
