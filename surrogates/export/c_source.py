"""The C of a convection scheme: a header and one translation unit."""

from importlib.metadata import version

import numpy as np

from closurax.physics.column import PersistentConvection
from closurax.physics.column.convection import (
    MEAN_VERTICAL_VELOCITY,
    PROFILES,
    SCALARS,
    SURFACE,
    TENDENCIES,
)
from closurax.physics.errors import ClosuraxError
from closurax.physics.scheme import AbstractScheme, Quantity

from ..columns import ConvectionNetwork, LevelwiseNetwork, TendencyScaling
from ..columns.decision import UNLIKELY
from .c_constraints import constraints_source
from .c_features import features_source
from .c_literals import PANEL, float_array, number
from .c_network import block_columns, network_source, stack_kilobytes
from .native_text import native_text

READ_PROFILES = (*PROFILES, MEAN_VERTICAL_VELOCITY)


def exportable(scheme: AbstractScheme) -> ConvectionNetwork:
    """The learned scheme itself; its memory, if it is wrapped in one, is up to the host.

    Raises `ClosuraxError` if it is no `ConvectionNetwork`.
    """
    inner = scheme.scheme if isinstance(scheme, PersistentConvection) else scheme
    if not isinstance(inner, ConvectionNetwork):
        raise ClosuraxError(
            f"{type(inner).__name__} cannot be exported to C; a ConvectionNetwork can."
        )
    return inner


def c_header(scheme: ConvectionNetwork) -> str:
    """`closurax_convection.h`."""
    text = native_text("closurax_convection.h")
    for mark, value in (
        ("TITLE", scheme_title(scheme)),
        ("VERSION", version("closurax")),
        ("LEVELS", str(scheme.features.levels)),
        ("STACK", str(stack_kilobytes(scheme.network, scheme.features))),
        ("INPUTS", _fields((*READ_PROFILES, *SURFACE), "const float")),
        ("OUTPUTS", _fields((*TENDENCIES, *SCALARS), "float")),
    ):
        text = text.replace(f"@{mark}@", value)
    return text


def c_source(scheme: ConvectionNetwork) -> str:
    """`closurax_convection.c`.

    Raises `ClosuraxError` if there is no C for its features, network or constraints.
    """
    features = scheme.features
    levels = features.levels
    size = levels * features.channels + features.scalars
    head = (
        f"/* {scheme_title(scheme)}, exported by closurax {version('closurax')}. */\n\n"
        '#include "closurax_convection.h"\n\n'
        f'#define VERSION "{version("closurax")}"\n'
        f"#define LEVELS CLOSURAX_LEVELS\n#define FEATURES {size}\n"
        f"#define TENDENCIES {len(TENDENCIES)}\n"
        f"#define PREDICTIONS {6 + levels * (len(TENDENCIES) + 2)}\n"
        f"#define PANEL {PANEL}\n#define BATCH {block_columns(scheme.network)}\n"
        + _each("EACH_PROFILE", READ_PROFILES)
        + _each("EACH_SCALAR", SURFACE)
        + _each("EACH_TENDENCY", TENDENCIES)
        + _each("EACH_RESULT", SCALARS)
    )
    parts = (
        head,
        native_text("lanes.c"),
        features_source(features),
        native_text("products.c"),
        network_source(scheme.network, features),
        _scaling(scheme.scaling),
        native_text("outputs.c"),
        constraints_source(scheme.constraints),
        native_text("entry.c"),
    )
    return "\n".join(parts)


def scheme_title(scheme: ConvectionNetwork) -> str:
    """What it is, in a line."""
    parts = [type(part).__name__ for part in (scheme.features, scheme.network)]
    if isinstance(scheme.network, LevelwiseNetwork):
        parts.append(type(scheme.network.trunk).__name__)
    return f"{type(scheme).__name__} of {', '.join(parts)}"


def _scaling(scaling: TendencyScaling) -> str:
    return (
        float_array("adjustment_scale", np.asarray(scaling.adjustments.scale))
        + float_array("adjustment_mean", np.asarray(scaling.adjustments.mean))
        + "".join(
            f"#define {name} {number(value)}\n"
            for name, value in (
                ("RAIN_SCALE", scaling.rain),
                ("LIFETIME_MEAN", scaling.log_lifetime),
                ("LIFETIME_SPREAD", scaling.log_lifetime_spread),
                ("SHALLOW_LIFETIME", scaling.shallow_lifetime),
                ("UNLIKELY", UNLIKELY),
            )
        )
    )


def _fields(quantities: tuple[Quantity, ...], kind: str) -> str:
    return "\n".join(f"  {kind} *{name}; /* {units} */" for name, units in quantities)


def _each(macro: str, quantities: tuple[Quantity, ...]) -> str:
    return f"#define {macro}(DO) {' '.join(f'DO({name})' for name, _ in quantities)}\n"
