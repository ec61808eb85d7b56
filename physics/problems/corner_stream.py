"""The flow at the ends of a lid, in closed form."""

from typing import Any

import numpy as np


def corner_stream(along: Any, down: Any, xp: Any = np) -> dict[tuple[int, int], Any]:
    r"""The flow of Stokes in the corner of a wall and a lid with the velocity $\pi s$,

    $$\psi = \frac{\pi}{2} (s^2 + h^2) \arctan \frac{s}{h} - \frac{\pi}{2} s h
    - \frac{\pi^2}{4} s^2, \qquad \nabla^2 \psi = 2 \pi \arctan \frac{s}{h} - \frac{\pi^2}{2},$$

    with the distance $s$ from the wall and $h$ from the lid. It is a combination of $r^2$,
    $r^2 \theta$, $r^2 \cos 2 \theta$ and $r^2 \sin 2 \theta$ (Moffatt 1964, J. Fluid Mech. 18, 1).
    At the corner itself the second derivatives are one of those around.

    **Arguments:**

    - `along`, `down`: $s$ and $h$, arrays.
    - `xp`: `numpy` or `jax.numpy`.

    **Returns:**

    $\psi$ and its derivatives, by their orders along $s$ and $h$.
    """
    square = along**2 + down**2
    # The angle has no value at the corner, and no derivative.
    angle = xp.arctan2(along, xp.where(square == 0, 1, down))
    mixed = along * down / xp.where(square == 0, 1, square)
    return {
        (0, 0): np.pi / 2 * (square * angle - along * down) - np.pi**2 / 4 * along**2,
        (1, 0): np.pi * along * (angle - np.pi / 2),
        (0, 1): np.pi * (down * angle - along),
        (2, 0): np.pi * (angle - np.pi / 2 + mixed),
        (0, 2): np.pi * (angle - mixed),
    }


def corner_streams(x: Any, y: Any, lid_speed: Any, xp: Any = np) -> dict[tuple[int, int], Any]:
    """The sum at both ends of the lid of a unit square, with derivatives along x and y; see
    `corner_stream`."""
    left, right = corner_stream(x, 1 - y, xp), corner_stream(1 - x, 1 - y, xp)
    return {(p, q): lid_speed * (-1) ** q * (left[p, q] + (-1) ** p * right[p, q]) for p, q in left}
