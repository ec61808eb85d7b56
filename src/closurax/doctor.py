"""`closurax doctor`: what is installed, what it runs on, and whether it computes rightly."""

import os
import platform
import shutil
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

PACKAGES = (
    "closurax", "jax", "jaxlib", "equinox", "diffrax", "optax", "numpy", "xarray", "netCDF4",
    "scipy", "pydantic", "matplotlib",
)  # fmt: skip
_GIB = 2**30


class Finding(NamedTuple):
    """A line of the diagnosis; `remedy` is empty if all is well."""

    name: str
    value: str
    remedy: str = ""


def diagnose() -> int:
    """Prints the diagnosis and returns the exit status: 1 if something is broken."""
    broken = []
    for check in (_python, *map(_package, PACKAGES), _devices, _memory, _disk, _computation):
        finding = _safely(check)
        print(f"{finding.name:12} {finding.value}", flush=True)
        if finding.remedy:
            broken.append(finding)
    for finding in broken:
        print(
            f"closurax: error: {finding.name}: {finding.value}: {finding.remedy}", file=sys.stderr
        )
    if not broken:
        print("Everything works.")
    return 1 if broken else 0


def _safely(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as error:
        name = getattr(check, "__name__", "check").strip("_")
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        remedy = "install again into a new environment with `pip install closurax`"
        return Finding(name, f"fails ({reason})", remedy)


def _python() -> Finding:
    remedy = "" if sys.version_info >= (3, 11) else "install Python 3.11 or later"
    return Finding("python", f"{platform.python_version()} on {platform.platform()}", remedy)


def _package(name: str) -> Callable[[], Finding]:
    def check() -> Finding:
        try:
            return Finding(name, version(name))
        except PackageNotFoundError:
            return Finding(name, "is not installed", f"pip install {name}")

    return check


def _devices() -> Finding:
    import jax

    kinds = [f"{device.platform} ({device.device_kind})" for device in jax.devices()]
    counted = ", ".join(f"{kinds.count(kind)} x {kind}" for kind in dict.fromkeys(kinds))
    precision = "float64" if jax.config.read("jax_enable_x64") else "float32"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Finding("devices", f"{counted}; {cores} CPU cores; default precision {precision}")


def _memory() -> Finding:
    free = _free_memory()
    if free is None:
        return Finding("memory", "unknown")
    remedy = "" if free > _GIB else "close other programs; the experiments need 1 GiB"
    return Finding("memory", f"{free / _GIB:.1f} GiB free", remedy)


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    remedy = "" if free > 0.1 * _GIB else "free some space here; the results need 0.1 GiB"
    return Finding("disk", f"{free / _GIB:.1f} GiB free in the current folder", remedy)


def _computation() -> Finding:
    """Checks that the advection of a random flow conserves its enstrophy."""
    start = time.perf_counter()
    import jax

    from .physics.spectral import SpectralGrid
    from .physics.turbulence import random_vorticity, vorticity_advection

    grid = SpectralGrid(64)

    @jax.jit
    def conserved_and_scale(key):
        vorticity_hat = grid.truncate(grid.to_spectral(random_vorticity(grid, key)))
        vorticity = grid.to_physical(vorticity_hat)
        products = vorticity * grid.to_physical(vorticity_advection(grid, vorticity_hat))
        return products.sum(), abs(products).sum()

    conserved, scale = conserved_and_scale(jax.random.key(0))
    error = abs(float(conserved)) / float(scale)
    took = f"{time.perf_counter() - start:.1f} s"
    if not error < 1e-4:
        return Finding(
            "computation",
            f"advection changes the conserved enstrophy by {error:.0e}",
            "this jax miscalculates here; install another version, or run on the CPU "
            "(JAX_PLATFORMS=cpu)",
        )
    return Finding("computation", f"advection conserves enstrophy to {error:.0e} ({took})")


def _free_memory() -> float | None:
    """Bytes that may still be taken, of the machine or of the container if that is less."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        kib = next(line.split()[1] for line in lines if line.startswith("MemAvailable"))
        free = 1024.0 * int(kib)
    except (OSError, StopIteration):
        return None
    try:
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        used = int((group / "memory.current").read_text(encoding="ascii"))
        return min(free, limit - used)
    except (OSError, ValueError):
        return free
