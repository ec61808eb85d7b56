"""The Fortran of an exported scheme: a module around the C, and a program that checks it."""

from collections.abc import Mapping

from closurax.physics.column.convection import SCALARS, SURFACE, TENDENCIES
from closurax.physics.scheme import Quantity

from .c_source import READ_PROFILES
from .native_text import native_text

_READ = (READ_PROFILES, SURFACE)
_RETURNED = (TENDENCIES, SCALARS)
_DECISIONS = ("convection_class", "cloud_base_level", "cloud_top_level")


def fortran_module() -> str:
    """`closurax_convection.f90`."""
    return _filled(
        "closurax_convection.f90",
        INPUT_ARRAYS=_arrays(*_READ),
        OUTPUT_ARRAYS=_arrays(*_RETURNED),
        INPUT_POINTERS=_lines(4, "type(c_ptr) :: {name}", *_READ),
        OUTPUT_POINTERS=_lines(4, "type(c_ptr) :: {name}", *_RETURNED),
        CHECKS=_lines(4, "call check_{kind}(inputs%{name})", *_READ)
        + "\n"
        + _lines(4, "call check_{kind}(outputs%{name})", *_RETURNED),
        LOCATIONS=_lines(4, "read%{name} = c_loc(inputs%{name})", *_READ)
        + "\n"
        + _lines(4, "written%{name} = c_loc(outputs%{name})", *_RETURNED),
        ALLOCATE_INPUTS=_lines(4, "allocate (inputs%{name}({extent}))", *_READ),
        ALLOCATE_OUTPUTS=_lines(4, "allocate (outputs%{name}({extent}))", *_RETURNED),
    )


def fortran_driver(tolerance: float, largest: Mapping[str, float]) -> str:
    """`column_driver.f90`; outputs may differ by `tolerance` of their `largest` magnitude."""
    continuous = tuple(quantity for quantity in SCALARS if quantity.name not in _DECISIONS)
    decisions = tuple(quantity for quantity in SCALARS if quantity.name in _DECISIONS)
    compare = 'call compare_{kind}("{name}", &\n      all%{name}, reference%{name}'
    comparisons = (
        _lines(4, compare + ", @{name}@)", TENDENCIES, continuous)
        + "\n"
        + _lines(4, compare.replace("{kind}", "decision") + ")", (), decisions)
    )
    for name, magnitude in largest.items():
        comparisons = comparisons.replace(f"@{name}@", f"{magnitude:.8e}")
    return _filled(
        "column_driver.f90",
        TOLERANCE=f"{tolerance:.1e}",
        READS=_lines(4, "read (unit) inputs%{name}", *_READ)
        + "\n"
        + _lines(4, "read (unit) reference%{name}", *_RETURNED),
        PUT_BACK=_lines(
            6, "all%{name}({rows}start:start + n - 1) = returned%{name}", *_RETURNED
        ),
        COMPARISONS=comparisons,
        TAKES=_lines(
            4, "some%{name} = inputs%{name}({rows}start:start + n - 1)", *_READ
        ),
    )  # fmt: skip


def _arrays(profiles: tuple[Quantity, ...], scalars: tuple[Quantity, ...]) -> str:
    return "\n".join(
        f"    real(c_float), allocatable :: {name}({shape}) ! {units}"
        for quantities, shape in ((profiles, ":, :"), (scalars, ":"))
        for name, units in quantities
    )


def _lines(
    indent: int, text: str, profiles: tuple[Quantity, ...], scalars: tuple[Quantity, ...]
) -> str:
    """One line for each quantity, in which `{name}` and what depends on its shape is filled in."""
    return "\n".join(
        " " * indent + text.format(name=quantity.name, kind=kind, extent=extent, rows=rows)
        for quantities, kind, extent, rows in (
            (profiles, "profile", "levels, columns", ":, "),
            (scalars, "scalar", "columns", ""),
        )
        for quantity in quantities
    )


def _filled(template: str, **values: str) -> str:
    text = native_text(template)
    for mark, value in values.items():
        text = text.replace(f"@{mark}@", value)
    return text
