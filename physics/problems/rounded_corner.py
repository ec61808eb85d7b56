import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# A time at which nothing has diffused as far as the nearest number.
_NO_TIME = 1e-30


def rounded_corner(
    t: Float[Array, ""], distance: Float[Array, ""], diffusivity: float | Float[Array, ""]
) -> Float[Array, ""]:
    r"""By how much a corner of unit jump in slope, $|x| / 2$, is filled by diffusion,

    $$\sqrt{\kappa t} \, \operatorname{ierfc} \frac{|x|}{\sqrt{4 \kappa t}}, \qquad
    \operatorname{ierfc} z = \frac{e^{-z^2}}{\sqrt{\pi}} - z \operatorname{erfc} z$$

    (Crank 1975, The Mathematics of Diffusion, section 3.3). With $|x| / 2$ it fulfils the heat
    equation on the line; it is zero at $t = 0$.

    **Arguments:**

    - `t`: the time since the corner was sharp, not negative.
    - `distance`: $|x|$ from the corner, not negative.
    - `diffusivity`: $\kappa$.
    """
    reach = jnp.sqrt(4 * diffusivity * jnp.maximum(t, _NO_TIME))
    z = distance / reach
    return reach / 2 * (jnp.exp(-(z**2)) / np.sqrt(np.pi) - z * jax.scipy.special.erfc(z))
