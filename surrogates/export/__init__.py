"""Learned schemes for hosts in other languages."""

from .export_c import COMPILER_FLAGS as COMPILER_FLAGS, export_c as export_c
from .jax_export import export_jax as export_jax, load_exported as load_exported
from .parity import read_parity as read_parity
