"""One look per closure in all figures, told apart also by readers who see fewer colours."""

from typing import Any, NamedTuple

import matplotlib as mpl


class Look(NamedTuple):
    """How a closure is drawn and called."""

    label: str
    colour: str
    dashes: str = "-"
    width: float = 1.6
    order: float = 2.0


# The colours are those of Okabe and Ito, https://jfly.uni-koeln.de/color/, and two dark ones.
LOOKS = {
    "reference": Look("DNS", "#000000", "-", 2.2, 3.0),
    "learned": Look("Learned", "#d55e00", "-", 3.0, 4.0),
    "linear": Look("Linear, fitted", "#882255", "--", 2.2, 3.5),
    "none": Look("No closure", "#8c8c8c", "--", 1.8),
    "smagorinsky": Look("Smagorinsky", "#56b4e9"),
    "dynamic_smagorinsky": Look("Dynamic Smagorinsky", "#0072b2", "-."),
    "leith": Look("Leith", "#009e73"),
    "dynamic_leith": Look("Dynamic Leith", "#00593f", "-."),
    "jansen_held": Look("Jansen-Held backscatter", "#cc79a7"),
    "gradient_2": Look("Gradient model GM2", "#8a7a00", ":", 1.8),
    "gradient_4": Look("Gradient model GM4", "#e69f00"),
}

# A figure shows closures or convection schemes, so the colours may be the same.
CONVECTION_LOOKS = {
    "no_convection": Look("No convection", "#8c8c8c", "--", 1.8),
    "kain_fritsch": Look("Kain-Fritsch", "#0072b2", "-", 2.2, 3.0),
    "recorded": Look("Reference run", "#000000", "-", 2.2, 3.0),
    "dense": Look("Dense", "#d55e00", "-", 2.6, 4.0),
    "dense_focus": Look("Dense, wider, DYNAMO", "#882255", "-", 2.6, 4.0),
    "bilstm": Look("Bi-LSTM", "#009e73"),
    "s4d": Look("S4D", "#56b4e9", "-."),
    "convolution": Look("Convolution", "#cc79a7"),
    "level_mixing": Look("Level mixing", "#e69f00", "-."),
    "bilstm_plain": Look("Bi-LSTM, no parcels", "#00593f", "--"),
    "class_mean": Look("Mean of the class", "#b0b0b0", ":"),
    "nearest": Look("Nearest neighbours", "#8a7a00", ":", 1.8),
    "tuned": Look("Learned, tuned online", "#5b4b8a", "-.", 2.2, 3.5),
}

OPERATOR_LOOKS = {
    "mgno": Look("MgNO", "#d55e00", "-", 2.6, 4.0),
    "fno": Look("FNO", "#0072b2"),
    "factorised_fno": Look("Factorised FNO", "#56b4e9", "-."),
    "unet": Look("U-Net", "#009e73"),
    "deeponet": Look("DeepONet", "#cc79a7"),
    "mean": Look("Mean field", "#b0b0b0", ":"),
    "ridge": Look("Ridge regression", "#8a7a00", ":", 1.8),
    "solver": Look("Classical solver", "#000000", "--", 1.8),
}

EMULATOR_LOOKS = {
    "truth": Look("Truth", "#000000", "-", 2.2, 3.0),
    "mgno_one_step": Look("MgNO, one step only", "#d55e00", ":", 1.8),
    "fno_one_step": Look("FNO, one step only", "#0072b2", ":", 1.8),
    "coarse_solver": Look("Coarse solver", "#009e73", "-.", 1.8),
    "persistence": Look("Persistence", "#8c8c8c", "--"),
    "climatology": Look("Climatological mean", "#b0b0b0", ":"),
}

FIELD_LOOKS = {
    "gaussians": Look("Gaussians", "#d55e00", "-", 2.6, 4.0),
    "polynomials": Look("Chebyshev polynomials", "#0072b2", "-", 2.2, 3.0),
    "modes": Look("Global modes, same method", "#0072b2", "-", 2.2, 3.0),
    "nodes": Look("Finite differences", "#009e73", "-.", 1.8),
    "published": Look("Published for Gaussians", "#8a7a00", ":", 1.8),
    "zero": Look("Zero", "#8c8c8c", "--", 1.8),
}

TRAINING_LOOKS = {
    "start": Look("Before training", "#0072b2", "-."),
    "trained": Look("After training", "#d55e00", "-", 2.6, 4.0),
    "online": Look("Gradients", "#d55e00", "-", 2.4, 3.6),
    "ppo": Look("PPO", "#7a3e9d", "-", 2.2, 3.4),
    "vracer": Look("V-RACER", "#b07cc6", "--", 2.0, 3.2),
    "offline_linear": Look("Offline, linear", "#8a7a00", ":", 1.8),
    "offline_network": Look("Offline, network", "#c7a500", "-.", 1.8),
}

STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#667085",
    "axes.labelcolor": "#1d2939",
    "axes.grid": True,
    "grid.color": "#e4e7ec",
    "grid.linewidth": 0.8,
    "xtick.color": "#475467",
    "ytick.color": "#475467",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.dpi": 140,
    "savefig.dpi": 140,
    "savefig.facecolor": "white",
}


def look(name: str) -> Look:
    """The look of a closure; an unknown one gets a neutral look and its own name."""
    known = {
        **LOOKS,
        **CONVECTION_LOOKS,
        **OPERATOR_LOOKS,
        **EMULATOR_LOOKS,
        **FIELD_LOOKS,
        **TRAINING_LOOKS,
    }
    return known.get(name, Look(name.replace("_", " "), "#5b4b8a", (0, (4, 1, 1, 1))))  # type: ignore[arg-type]


def styled():
    """A context, also for decorating, in which figures are drawn in the style of the report."""
    return mpl.rc_context(STYLE)
