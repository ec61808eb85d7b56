"""Learned and physical schemes, side by side, in running simulations."""

from importlib.metadata import version

from .run import run_experiment as run_experiment

__version__ = version("closurax")
