import wadler_lindig
from jaxtyping import PyTree


def describe(module: PyTree) -> str:
    """A module on one line, with every parameter and the shapes of its arrays."""
    text = wadler_lindig.pformat(module, hide_defaults=False, short_arrays=True)
    return " ".join(text.split())
