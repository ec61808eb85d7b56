"""Trajectories of a model from many random initial states, written as they are computed."""

import itertools
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import netCDF4
import numpy as np
import xarray as xr
from tqdm import tqdm

from closurax.physics import AbstractModel
from closurax.physics.description import describe
from closurax.physics.errors import BlowUpError, DataError
from closurax.physics.pdes import AbstractInitialState

from .chunk_folder import chunk_folder
from .netcdf_output import write_netcdf
from .validation import open_netcdf


def generate_trajectories(
    path: str | os.PathLike,
    model: AbstractModel,
    initial: AbstractInitialState,
    *,
    samples: int,
    duration: float,
    save_every: float,
    dt: float,
    seed: int = 0,
    spin_up: float = 0.0,
    every_point: int = 1,
    chunk: int = 16,
    title: str = "trajectories",
    resume: bool = False,
    progress: bool = True,
) -> None:
    """Runs a model from random initial states and writes all outputs for `open_trajectories`.

    The samples are computed a chunk at a time, vectorised in one compiled function, and each
    chunk is a file in the folder `PATH.chunks` until all are there and become the one file.
    Sample `i` starts from the key `fold_in(key(seed), i)`. So a generation that was killed and
    resumed ends with the same values, bit by bit, as one that was not (on the same machine and
    versions).

    **Arguments:**

    - `path`: of the netCDF file, with the dims `sample`, `time` and those of the outputs, in
        float32.
    - `model`: with its schemes, if any.
    - `initial`: maps the model and a key to the state that a sample starts from.
    - `samples`: how many.
    - `duration`, `save_every`: in s; `duration` a multiple of `save_every`.
    - `dt`: time step in s, a divisor of `save_every`.
    - `seed`: of all keys.
    - `spin_up`: how long to run before time zero, in s, a multiple of `dt`.
    - `every_point`: which grid points are written, along each dim of the outputs; the others
        only serve the simulation.
    - `chunk`: samples computed at a time; memory grows with it.
    - `title`: of the file.
    - `resume`: whether to go on with the chunks that are there, if any.
    - `progress`: whether to show a bar.

    Raises `DataError` if there is a file or chunks already and `resume` is off, or if they were
    made with other settings; `BlowUpError`, which holds the sample, if one becomes non-finite.
    """
    path = Path(path)
    for name, count in (("samples", samples), ("chunk", chunk), ("every_point", every_point)):
        if count < 1:
            raise DataError(f"`{name}` must be at least 1, not {count}.")
    _check_multiples(duration=duration, save_every=save_every)
    _check_multiples(save_every=save_every, dt=dt)
    if spin_up:
        _check_multiples(spin_up=spin_up, dt=dt)
    for name, (_, values, _) in model.coordinates().items():
        if len(values) % every_point:
            raise DataError(
                f"`every_point` = {every_point} does not divide the {len(values)} points along "
                f"{name!r}."
            )
    settings = {
        "title": title,
        "model": describe(model),
        "initial_state": describe(initial),
        "solver": describe(model.default_solver),
        "seed": seed,
        "samples": samples,
        "duration": duration,
        "save_every": save_every,
        "time_step": dt,
        "spin_up": spin_up,
        "every_point": every_point,
        "chunk": chunk,
        "precision": str(jnp.result_type(float)),
    }
    folder = chunk_folder(path, settings, resume)
    if folder is None:
        return
    times = save_every * np.arange(round(duration / save_every) + 1)
    files = []
    with tqdm(total=samples, desc="trajectories", unit=" samples", disable=not progress) as bar:
        for start in range(0, samples, chunk):
            count = min(chunk, samples - start)
            file = folder / f"{start:08d}.nc"
            files.append(file)
            if not file.exists():
                # The last chunk is computed whole too, by the function that is compiled already.
                indices = jnp.arange(start, start + chunk, dtype=jnp.uint32)
                outputs = _trajectories(
                    model, initial, seed, indices, spin_up, duration, save_every, dt
                )
                dataset = _dataset(model, outputs, start, count, times, every_point)
                _check_finite(dataset)
                write_netcdf(dataset, file, _encoding(dataset))
            bar.update(count)
    _join(path, files, settings)
    shutil.rmtree(folder)


def open_trajectories(path: str | os.PathLike) -> xr.Dataset:
    """Opens a file of trajectories, such as `generate_trajectories` writes; the values stay on
    disk until they are used.

    Raises `DataError` if the file is missing, damaged or truncated, or if no variable has the
    leading dims `sample` and `time`.
    """
    dataset = open_netcdf(path)
    if not any(variable.dims[:2] == ("sample", "time") for variable in dataset.values()):
        dims = {str(name): variable.dims for name, variable in dataset.items()}
        dataset.close()
        raise DataError(
            f"{str(path)!r} has no variable with the leading dims ('sample', 'time'); it has "
            f"{dims}. Rename or transpose the dims."
        )
    return dataset


@eqx.filter_jit
def _trajectories(model, initial, seed, indices, spin_up, duration, save_every, dt):
    def sample(index):
        state = initial(model, jax.random.fold_in(jax.random.key(seed), index))
        if spin_up:
            states, _ = model.trajectory(state, spin_up, save_every=spin_up, dt=dt, start=-spin_up)
            state = jtu.tree_map(lambda leaf: leaf[-1], states)
        states, _ = model.trajectory(state, duration, save_every=save_every, dt=dt)
        times = save_every * jnp.arange(jtu.tree_leaves(states)[0].shape[0], dtype=float)
        return jax.vmap(lambda t, state: model.outputs(t, state, None, None))(times, states)

    return jax.vmap(sample)(indices)


def _dataset(
    model: AbstractModel, outputs: Any, start: int, count: int, times: np.ndarray, every_point: int
) -> xr.Dataset:
    coordinates = model.coordinates()
    data = {}
    for name, variable in model.output_variables.items():
        values = np.asarray(outputs[name][:count], np.float32)
        attrs = {"units": variable.units, "long_name": variable.long_name}
        if variable.standard_name is not None:
            attrs["standard_name"] = variable.standard_name
        data[name] = (("sample", "time", *variable.dims), values, attrs)
    index = np.arange(start, start + count, dtype=np.int32)
    coords = {
        "sample": ("sample", index, {"long_name": "index of the initial state"}),
        "time": ("time", times, {"units": "s", "long_name": "time since the start"}),
        **coordinates,
    }
    dataset = xr.Dataset(data, coords=coords)
    return dataset.isel({dim: slice(None, None, every_point) for dim, _, _ in coordinates.values()})


def _check_finite(dataset: xr.Dataset) -> None:
    for name, variable in dataset.items():
        bad = np.argwhere(~np.isfinite(variable.values))
        if bad.size:
            sample, time = bad[np.argmin(bad[:, 1])][:2]
            raise BlowUpError(
                f"Sample {int(dataset['sample'][sample])} became non-finite in {name!r} by "
                f"t = {float(dataset['time'][time]):g} s: take a smaller step, more points or more "
                "dissipation. The sample is in `partial`.",
                dataset.isel(sample=sample, time=slice(0, time)),
            )


def _encoding(dataset: xr.Dataset) -> dict[str, dict[str, Any]]:
    fields: dict[str, dict[str, Any]] = {
        str(name): {
            "zlib": True,
            "shuffle": True,
            "complevel": 4,
            "_FillValue": None,
            "chunksizes": (1, *variable.shape[1:]),
        }
        for name, variable in dataset.data_vars.items()
    }
    return fields | {str(name): {"_FillValue": None} for name in dataset.coords}


def _join(path: Path, files: list[Path], settings: Mapping[str, Any]) -> None:
    """Copies the chunks into one file, sample by sample, so that memory stays small."""
    partial = path.with_name(path.name + ".partial")
    with open_netcdf(files[0]) as first, netCDF4.Dataset(partial, "w") as file:
        source = f"closurax {version('closurax')}, jax {jax.__version__}"
        file.setncatts({"Conventions": "CF-1.11", "source": source, **settings})
        for dim, size in first.sizes.items():
            file.createDimension(str(dim), None if dim == "sample" else size)
        for name, variable in first.variables.items():
            fields: dict[str, Any] = {}
            if name in first.data_vars:
                fields = {"compression": "zlib", "shuffle": True, "complevel": 4}
                fields["chunksizes"] = (1, *variable.shape[1:])
            dims = tuple(map(str, variable.dims))
            created = file.createVariable(str(name), variable.dtype, dims, **fields)
            created.setncatts(variable.attrs)
            if "sample" not in variable.dims:
                created[:] = variable.values
        for index, name, values in _samples(files):
            file[name][index] = values
    os.replace(partial, path)


def _samples(files: list[Path]) -> Iterator[tuple[int, str, np.ndarray]]:
    counter = itertools.count()
    for path in files:
        with open_netcdf(path) as chunk:
            for sample in range(chunk.sizes["sample"]):
                index = next(counter)
                for name, variable in chunk.variables.items():
                    if "sample" in variable.dims:
                        yield index, str(name), variable[sample].values


def _check_multiples(**intervals: float) -> None:
    (long_name, long), (short_name, short) = intervals.items()
    count = round(long / short) if short > 0 else 0
    if count < 1 or not math.isclose(count * short, long, rel_tol=1e-6):
        raise DataError(
            f"`{long_name}` = {long} s is not a positive multiple of `{short_name}` = {short} s."
        )
