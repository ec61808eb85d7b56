"""Modules as JSON: the class of each, and the arguments that build it.

A class can be described if every argument of its `__init__`, but for `key`, is also the name
of the attribute that holds it.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from closurax.physics.errors import SurrogateFileError
from closurax.physics.scheme import Quantity

from .classes import CLASSES

_NAMES = {cls: name for name, cls in CLASSES.items()}


def describe(value: Any, where: str = "scheme") -> Any:
    """`value`, a module or what builds one, as JSON; of arrays only shape and dtype.

    Raises `SurrogateFileError`, saying `where`, for a class that is not in `CLASSES`, or a
    value that JSON cannot hold.
    """
    if eqx.is_array(value):
        return {"array": {"shape": list(value.shape), "dtype": str(value.dtype)}}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Quantity):
        return {"quantity": list(value)}
    if isinstance(value, list | tuple):
        return [describe(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {"mapping": {k: describe(item, f"{where}[{k!r}]") for k, item in value.items()}}
    if type(value) in _NAMES:
        arguments = {
            name: describe(getattr(value, name), f"{where}.{name}")
            for name in _argument_names(type(value))
        }
        return {"class": _NAMES[type(value)], "arguments": arguments}
    raise SurrogateFileError(
        f"`{where}` is a {type(value).__name__}, which no surrogate file can hold; the classes "
        f"that it can hold are {[cls.__name__ for cls in _NAMES]}."
    )


def build(description: Any) -> Any:
    """What `describe` described, with zeros in its arrays; lists come back as tuples.

    Raises `SurrogateFileError` for a class that is not in `CLASSES`, or other arguments than
    the class takes.
    """
    if isinstance(description, list):
        return tuple(build(item) for item in description)
    if not isinstance(description, dict):
        return description
    match description:
        case {"array": {"shape": shape, "dtype": dtype}}:
            return jnp.zeros(shape, jax.dtypes.canonicalize_dtype(dtype))
        case {"quantity": [str(name), str(units)]}:
            return Quantity(name, units)
        case {"mapping": dict(items)}:
            return {name: build(item) for name, item in items.items()}
        case {"class": str(name), "arguments": dict(arguments)}:
            return _build_module(name, arguments)
    raise SurrogateFileError(
        f"The description holds {str(description)[:60]!r}, which closurax does not write."
    )


def _build_module(name: str, arguments: dict[str, Any]) -> eqx.Module:
    if name not in CLASSES:
        raise SurrogateFileError(
            f"Class {name!r} is not known; this closurax knows {[*CLASSES]}: upgrade it, or "
            "write the scheme again."
        )
    cls = CLASSES[name]
    expected = _argument_names(cls)
    if set(arguments) != set(expected):
        raise SurrogateFileError(
            f"{name} takes the arguments {sorted(expected)}, but the file gives "
            f"{sorted(arguments)}."
        )
    built = {argument: build(value) for argument, value in arguments.items()}
    if "key" in inspect.signature(cls.__init__).parameters:
        built["key"] = jax.random.key(0)
    return cls(**built)


def _argument_names(cls: type[eqx.Module]) -> list[str]:
    _, *names = inspect.signature(cls.__init__).parameters
    return [name for name in names if name != "key"]
