from typing import NamedTuple

from jaxtyping import Array, Float


class ColumnState(NamedTuple):
    """What a column of air remembers; profiles are `(level,)`, the lowest layer first.

    The amounts have grown since the initial state: what a run saves are their differences. Every
    field is also the name of its tendency.
    """

    temperature: Float[Array, " level"]
    """In K."""
    vapour: Float[Array, " level"]
    """Mixing ratio in kg per kg of dry air, as those that follow."""
    cloud_water: Float[Array, " level"]
    cloud_ice: Float[Array, " level"]
    rain_water: Float[Array, " level"]
    snow: Float[Array, " level"]
    eastward_wind: Float[Array, " level"]
    """In m s-1, as the next."""
    northward_wind: Float[Array, " level"]
    convective_warming: Float[Array, " level"]
    """By how much the convection has warmed the layers so far, in K, with the condensation and
    evaporation of what it detrained."""
    convective_moistening: Float[Array, " level"]
    """Likewise, of the vapour, in kg kg-1."""
    convective_precipitation: Float[Array, ""]
    """Amount in kg m-2, as the next."""
    grid_scale_precipitation: Float[Array, ""]
    call_time: Float[Array, ""]
    """For how many seconds of the run the convection scheme was called anew."""
    fallback_time: Float[Array, ""]
    """For how many seconds of the run a guard fell back on another scheme."""


PROFILE_NAMES = ColumnState._fields[:10]
"""The fields that are profiles."""

AMOUNT_NAMES = ColumnState._fields[10:]
"""The fields that are scalars."""
