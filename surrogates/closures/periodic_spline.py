import numpy as np
from jaxtyping import Float


def periodic_spline_matrix(nodes: int, points: int) -> Float[np.ndarray, "points nodes"]:
    r"""The matrix that interpolates `nodes` values on a circle to `points` points.

    Both sets are equidistant and start at the same place. The interpolant is the periodic
    quadratic spline with its knots midway between the nodes, $\sum_j a_j B(x - j)$ with

    $$B(x) = \begin{cases} \frac34 - x^2 & |x| \le \frac12 \\
    \frac12 \left(\frac32 - |x|\right)^2 & \frac12 \le |x| \le \frac32 \end{cases}$$

    in units of the distance of the nodes, and with $a$ such that it goes through the values at the
    nodes. A product of two is the bi-quadratic spline. Rows sum to one.

    De Boor, A Practical Guide to Splines (2001), chapter IX.
    """
    position = np.arange(points) * (nodes / points)
    at_nodes = _basis(np.arange(nodes, dtype=float), nodes)
    return np.linalg.solve(at_nodes.T, _basis(position, nodes).T).T


def _basis(position: np.ndarray, nodes: int) -> np.ndarray:
    """The basis function of each node, periodic, at `position` in units of their distance."""
    values = np.zeros((position.size, nodes))
    row = np.arange(position.size)
    for offset in (-1, 0, 1):
        node = np.rint(position) + offset
        distance = np.abs(position - node)
        value = np.where(distance <= 0.5, 0.75 - distance**2, 0.5 * (1.5 - distance) ** 2)
        # With one or two nodes, several basis functions belong to the same one.
        np.add.at(values, (row, node.astype(int) % nodes), value)
    return values
