"""Direct numerical simulations that closurax runs itself and writes as it goes."""

import math
import os
import shutil
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import netCDF4
import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from closurax.physics.description import describe
from closurax.physics.errors import BlowUpError, DataError
from closurax.physics.spectral import SpectralGrid, coarsen
from closurax.physics.turbulence import BarotropicVorticity, CosineForcing, random_vorticity

from .dns import open_dns

_WRITE_EVERY = 10.0
# The default step on n x n points is at most this over n, in s: 1/600 s at 512, where 1/400 s
# is unstable at the largest velocities of the default flow.
_STEP_TIMES_SIZE = 0.855


def generate_dns(
    path: str | os.PathLike,
    *,
    seed: int = 0,
    flow: Callable[[SpectralGrid], BarotropicVorticity] = BarotropicVorticity,
    size: int = 512,
    spin_up: Sequence[float] = (60.0, 10.0, 8.0),
    duration: float = 100.0,
    save_every: float = 0.5,
    dt: float | None = None,
    resume: bool = False,
    progress: bool = True,
) -> None:
    """Runs a direct numerical simulation and writes its vorticity for `open_dns`.

    The file grows every 10 time units, at the end, and when the run is interrupted. Each
    snapshot, in float32, is also the state from which the simulation goes on, so a resumed
    simulation is bitwise the uninterrupted one (on the same machine and versions). Killing
    the process at any moment leaves a valid file; an interrupted spin-up starts again.

    **Arguments:**

    - `path`: of the netCDF file.
    - `seed`: of the random initial vorticity.
    - `flow`: makes the model for a grid, e.g. `functools.partial(BarotropicVorticity, beta=20.0)`.
    - `size`: number of grid points along x and y.
    - `spin_up`: how long to run before time zero, in s, at increasing resolution: the last
        number is for the full one, the one before it for half of it, and so on.
    - `duration`, `save_every`: in s; `duration` a multiple of `save_every`.
    - `dt`: time step at full resolution in s, shortened to divide `save_every`; it grows with
        the grid spacing in the spin-up. By default a step that is stable for the default flow.
    - `resume`: whether to go on where the file at `path` ends, if there is one.
    - `progress`: whether to show a bar.

    Raises `DataError` if there is a file already and `resume` is off, or if that file was
    made with other settings; `BlowUpError` if the simulation becomes non-finite.
    """
    path = Path(path)
    saves = round(duration / save_every)
    if saves < 1 or not math.isclose(saves * save_every, duration, rel_tol=1e-6):
        raise DataError(
            f"`duration` = {duration} s is not a multiple of `save_every` = {save_every} s."
        )
    grid = SpectralGrid(size)
    model = flow(grid)
    dt = _divisor(save_every, _STEP_TIMES_SIZE / size if dt is None else dt)
    settings = _settings(model, seed, spin_up, save_every, dt)
    if path.exists() and not resume:
        raise DataError(f"{str(path)!r} exists; resume it, or choose another path.")
    total = duration if path.exists() else duration + sum(spin_up)
    bar = tqdm(total=total, desc="DNS", unit="s", disable=not progress)
    if path.exists():
        vorticity, done = _last_snapshot(path, settings, save_every)
        bar.update(min(done, saves) * save_every)
    else:
        vorticity = _spun_up(flow, seed, size, spin_up, dt, bar)
        _create(path, model, settings)
        _append(path, [0.0], [vorticity])
        done = 0

    times: list[float] = []
    snapshots: list[np.ndarray] = []
    try:
        for index in range(done + 1, saves + 1):
            vorticity = _advance(model, vorticity, save_every, dt)
            times.append(index * save_every)
            snapshots.append(vorticity)
            bar.update(save_every)
            if len(snapshots) * save_every >= _WRITE_EVERY:
                _append(path, times, snapshots)
                times, snapshots = [], []
    except BlowUpError as error:
        error.add_note(f"The snapshots before that are in {str(path)!r}.")
        raise
    finally:
        bar.close()
        if snapshots:
            _append(path, times, snapshots)


def _spun_up(
    flow: Callable[[SpectralGrid], BarotropicVorticity],
    seed: int,
    size: int,
    durations: Sequence[float],
    dt: float,
    bar: tqdm,
) -> Float[np.ndarray, "nx ny"]:
    sizes = [size // 2**halvings for halvings in reversed(range(max(1, len(durations))))]
    grid = SpectralGrid(sizes[0])
    vorticity: Any = random_vorticity(grid, jax.random.key(seed), dtype=jnp.float32)
    for stage_size, duration in zip(sizes, durations, strict=False):
        stage_grid = SpectralGrid(stage_size)
        vorticity = coarsen(jnp.asarray(vorticity), grid, stage_grid)
        grid = stage_grid
        pieces = max(1, round(duration))
        for _ in range(pieces if duration > 0 else 0):
            vorticity = _advance(flow(grid), vorticity, duration / pieces, dt * size / stage_size)
            bar.update(duration / pieces)
    return np.asarray(vorticity)


def _advance(
    model: BarotropicVorticity, vorticity: Any, interval: float, dt: float
) -> Float[np.ndarray, "nx ny"]:
    run = model.run(
        model.initial_state(jnp.asarray(vorticity)),
        interval,
        save_every=interval,
        dt=_divisor(interval, dt),
        progress=False,
    )
    return run["vorticity"].values[-1].astype(np.float32)


def _divisor(interval: float, dt: float) -> float:
    """The largest divisor of `interval` that is not above `dt`."""
    return interval / math.ceil(interval / dt * (1 - 1e-9))


def _settings(
    model: BarotropicVorticity, seed: int, spin_up: Sequence[float], save_every: float, dt: float
) -> dict[str, Any]:
    forcing = model.forcing
    return {
        "seed": seed,
        "N": model.grid.nx,
        "nu": float(model.viscosity),
        "Re": 1 / float(model.viscosity) if model.viscosity else math.inf,
        "alpha": float(model.drag),
        "beta": float(model.beta),
        "kf": float(forcing.wavenumber) if isinstance(forcing, CosineForcing) else 0.0,
        "dt": dt,
        "save_every": save_every,
        "spin_up": " ".join(f"{duration:g}" for duration in spin_up),
        "model": describe(model),
    }


def _last_snapshot(
    path: Path, settings: dict[str, Any], save_every: float
) -> tuple[Float[np.ndarray, "nx ny"], int]:
    with open_dns(path) as previous:
        for name, wanted in settings.items():
            found = previous.attrs.get(name)
            found = found.item() if isinstance(found, np.generic) else found
            if found != wanted:
                raise DataError(
                    f"{str(path)!r} was made with {name} = {found!r}, not {wanted!r}; resume "
                    "with the settings of the file, or choose another path."
                )
        done = previous.sizes["time"] - 1
        if not np.allclose(previous["time"].values, np.arange(done + 1) * save_every):
            raise DataError(
                f"The times in {str(path)!r} are not those of a simulation saved every "
                f"{save_every} s from 0; choose another path."
            )
        return previous["vorticity"].isel(time=-1).values, done


def _create(path: Path, model: BarotropicVorticity, settings: dict[str, Any]) -> None:
    grid = model.grid
    partial = path.with_name(path.name + ".partial")
    with netCDF4.Dataset(partial, "w") as file:
        file.setncatts(
            {
                "Conventions": "CF-1.11",
                "title": "direct numerical simulation of forced two-dimensional turbulence",
                "source": f"closurax {version('closurax')}, jax {jax.__version__}",
                **settings,
            }
        )
        file.createDimension("time", None)
        for name, long_name, values in (
            ("time", "time after spin-up", None),
            ("x", "x coordinate", grid.x),
            ("y", "y coordinate", grid.y),
        ):
            if values is not None:
                file.createDimension(name, values.size)
            variable = file.createVariable(name, "f8", (name,))
            variable.setncatts({"units": "s" if values is None else "m", "long_name": long_name})
            if values is not None:
                variable[:] = values
        vorticity = file.createVariable(
            "vorticity",
            "f4",
            ("time", "x", "y"),
            compression="zlib",
            shuffle=True,
            chunksizes=(1, *grid.shape),
        )
        vorticity.setncatts(
            {
                "units": "s-1",
                "long_name": "relative vorticity",
                "standard_name": "atmosphere_relative_vorticity",
            }
        )
    os.replace(partial, path)


def _append(path: Path, times: list[float], snapshots: list[np.ndarray]) -> None:
    # netCDF files that are open for writing do not survive a kill: extend a copy.
    partial = path.with_name(path.name + ".partial")
    shutil.copyfile(path, partial)
    with netCDF4.Dataset(partial, "a") as file:
        start = file.dimensions["time"].size
        file["vorticity"][start : start + len(times)] = np.stack(snapshots)
        file["time"][start : start + len(times)] = times
    os.replace(partial, path)
