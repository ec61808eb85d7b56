import jax.numpy as jnp
from jaxtyping import Array, Float

from .environment import Environment
from .plume_physics import safe_sqrt
from .scales import wind_speed
from .source_layer import LiftedParcel
from .updraft import Ascent


def precipitation_efficiency(
    env: Environment, parcel: LiftedParcel, ascent: Ascent
) -> Float[Array, ""]:
    """By wind shear and by the height of the cloud base: Zhang and Fritsch 1986."""
    speed = wind_speed(env)
    top, base = ascent.top, parcel.level
    sign = jnp.where(speed[top] > speed[base], 1.0, -1.0)
    wind = jnp.stack([env.eastward_wind, env.northward_wind])
    difference = safe_sqrt(jnp.sum((wind[:, top] - wind[:, base]) ** 2))
    distance = jnp.where(top > base, env.height[top] - env.height[base], 1.0)
    shear = 1e3 * sign * difference / distance
    by_shear = 1.591 + shear * (-0.639 + shear * (9.53e-2 - shear * 4.96e-3))
    by_shear = jnp.clip(by_shear, 0.2, 0.9)
    feet = (parcel.height - env.height[0]) * 3.281e-3
    polynomial = 0.96729352 + feet * (
        -0.70034167
        + feet * (0.162179896 + feet * (-1.2569798e-2 + feet * (4.2772e-4 - feet * 5.44e-6)))
    )
    ratio = jnp.where(feet < 3, 0.02, jnp.where(feet > 25, 2.4, polynomial))
    by_height = jnp.minimum(1 / (1 + ratio), 0.9)
    return 0.5 * (by_shear + by_height)
