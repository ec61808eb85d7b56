"""The arrays of a pytree by their paths, and back."""

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jaxtyping import PyTree

from closurax.physics.errors import SurrogateFileError


def named_arrays(tree: PyTree) -> dict[str, np.ndarray]:
    """Copies of the arrays in `tree`, named like `layers/0/kernel`.

    Raises `SurrogateFileError` for arrays that numpy alone could not read back.
    """
    named = {}
    for path, leaf in jtu.tree_leaves_with_path(eqx.filter(tree, eqx.is_array)):
        name = array_name(path)
        if not (isinstance(leaf.dtype, np.dtype) and leaf.dtype.kind in "biufc"):
            raise SurrogateFileError(
                f"Array {name!r} is of dtype {leaf.dtype}, which numpy cannot store; convert it."
            )
        if name in named:
            raise SurrogateFileError(f"Two arrays have the name {name!r}; rename one.")
        named[name] = np.array(leaf)
    return named


def with_arrays(tree: PyTree, arrays: Mapping[str, np.ndarray], source: str) -> PyTree:
    """`tree` with its arrays, or shapes in place of arrays, replaced by those of their names.

    The arrays keep their own precision. Raises `SurrogateFileError`, naming the `source`,
    unless names, shapes and kinds of dtype agree.
    """
    places = jtu.tree_leaves_with_path(eqx.filter(tree, _is_place))
    expected = {array_name(path): leaf for path, leaf in places}
    missing, extra = sorted(set(expected) - set(arrays)), sorted(set(arrays) - set(expected))
    if missing or extra:
        raise SurrogateFileError(
            f"{source} does not fit the structure it is for: missing arrays {missing}, "
            f"unknown arrays {extra}."
        )
    for name, place in expected.items():
        array = arrays[name]
        if array.shape != place.shape or array.dtype.kind != place.dtype.kind:
            raise SurrogateFileError(
                f"Array {name!r} in {source} is {array.dtype}{list(array.shape)}, expected "
                f"{place.dtype}{list(place.shape)}."
            )
        if jax.dtypes.canonicalize_dtype(array.dtype) != array.dtype:
            raise SurrogateFileError(
                f"Array {name!r} in {source} is {array.dtype}, but jax is in 32-bit mode; "
                "call jax.config.update('jax_enable_x64', True) first."
            )
    return jtu.tree_map_with_path(
        lambda path, leaf: jnp.array(arrays[array_name(path)]) if _is_place(leaf) else leaf,
        tree,
    )


def array_name(path: jtu.KeyPath) -> str:
    return jtu.keystr(path, simple=True, separator="/")


def _is_place(leaf) -> bool:
    return eqx.is_array(leaf) or isinstance(leaf, jax.ShapeDtypeStruct)
