"""Files of independent samples, computed in several threads and kept while they are made."""

import os
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import netCDF4
import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from closurax.physics.errors import DataError

from .chunk_folder import chunk_folder

# Samples that a thread computes before they are on disk, and that are compressed together.
_CHUNK = 16


class SampleLayout(NamedTuple):
    """What a file of samples of fields on a grid of the unit square holds."""

    x: Float[np.ndarray, " nx"]
    y: Float[np.ndarray, " ny"]
    points: str
    """What the coordinates are of: "cell centre" or "node"."""
    variables: Mapping[str, str]
    """The long names of the variables by their names; all of them are dimensionless."""
    recipe: Mapping[str, str | int | float]
    """Attributes that say how the samples are made: a resumed file must have the same ones."""


def write_samples(
    path: str | os.PathLike,
    layout: SampleLayout,
    sample: Callable[[int], Mapping[str, Float[np.ndarray, "nx ny"]]],
    *,
    samples: int,
    workers: int,
    resume: bool,
    progress: bool,
    description: str,
) -> None:
    """Writes samples as a netCDF file that `open_fields` opens.

    The samples are computed in chunks of 16, and each chunk is a file in the folder
    `PATH.chunks` until all are there and become the one file. So the process may be killed at
    any moment, and the resumed file is byte for byte the uninterrupted one (on the same machine
    and versions), whatever the number of threads.

    **Arguments:**

    - `path`: of the netCDF file, with float32 variables over `(sample, x, y)`.
    - `layout`: what it holds.
    - `sample`: maps the number of a sample to the values of all variables; it is called in
        several threads at once.
    - `samples`: how many.
    - `workers`: number of threads; they share the processors as far as `sample` lets go of
        Python's lock, as sparse direct solvers and compiled jax functions do.
    - `resume`: whether to go on with the chunks that are there, if any.
    - `progress`: whether to show a bar; `description` is its title.

    Raises `DataError` if there is a file or chunks already and `resume` is off, if they were
    made by another recipe, or if a sample is not finite.
    """
    path = Path(path)
    for name, count in (("samples", samples), ("workers", workers)):
        if count < 1:
            raise DataError(f"`{name}` must be at least 1, not {count}.")
    recipe = {**layout.recipe, "samples": samples}
    folder = chunk_folder(path, recipe, resume)
    if folder is None:
        return
    chunks = [range(i, min(i + _CHUNK, samples)) for i in range(0, samples, _CHUNK)]
    missing = [chunk for chunk in chunks if not _file(folder, chunk).exists()]
    stop = threading.Event()
    with (
        tqdm(total=samples, desc=description, unit=" samples", disable=not progress) as bar,
        ThreadPoolExecutor(workers) as executor,
    ):
        bar.update(samples - sum(map(len, missing)))

        def compute(chunk: range) -> None:
            values = []
            for index in chunk:
                if stop.is_set():
                    return
                try:
                    values.append(_checked(sample(index), index))
                except BaseException:
                    stop.set()
                    raise
                bar.update()
            arrays = {name: np.stack([value[name] for value in values]) for name in values[0]}
            _write_chunk(_file(folder, chunk), arrays)

        futures = [executor.submit(compute, chunk) for chunk in missing]
        try:
            for future in as_completed(futures):
                future.result()
        finally:
            # After an error or an interruption, threads end with the sample that they are at.
            stop.set()
            executor.shutdown(wait=False, cancel_futures=True)
    _join(path, layout, recipe, [(chunk, _file(folder, chunk)) for chunk in chunks])
    shutil.rmtree(folder)


def _file(folder: Path, chunk: range) -> Path:
    return folder / f"{chunk.start:08d}.npz"


def _checked(sample: Mapping[str, Any], index: int) -> dict[str, np.ndarray]:
    for name, values in sample.items():
        if not np.isfinite(values).all():
            raise DataError(
                f"Sample {index} is NaN or infinite in {name!r}; check the coefficient's settings."
            )
    return {name: np.asarray(values, np.float32) for name, values in sample.items()}


def _write_chunk(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    os.replace(partial, path)


def _join(
    path: Path, layout: SampleLayout, recipe: Mapping[str, Any], chunks: list[tuple[range, Path]]
) -> None:
    partial = path.with_name(path.name + ".partial")
    shape = (recipe["samples"], layout.x.size, layout.y.size)
    with netCDF4.Dataset(partial, "w") as file:
        source = f"closurax {version('closurax')}, jax {jax.__version__}"
        file.setncatts({"Conventions": "CF-1.11", "source": source, **recipe})
        for dim, size in zip(("sample", "x", "y"), shape, strict=True):
            file.createDimension(dim, size)
        index = file.createVariable("sample", "i4", ("sample",))
        index.long_name = "index of the sample; its key is fold_in(key(seed), sample)"
        index[:] = np.arange(shape[0])
        for name, values in (("x", layout.x), ("y", layout.y)):
            coordinate = file.createVariable(name, "f8", (name,))
            long_name = f"{name} coordinate of the {layout.points}, dimensionless"
            coordinate.setncatts({"units": "1", "axis": name.upper(), "long_name": long_name})
            coordinate[:] = values
        for name, long_name in layout.variables.items():
            variable = file.createVariable(
                name,
                "f4",
                ("sample", "x", "y"),
                compression="zlib",
                shuffle=True,
                complevel=6,
                chunksizes=(min(_CHUNK, shape[0]), *shape[1:]),
            )
            variable.setncatts({"units": "1", "long_name": long_name})
        for chunk, chunk_file in chunks:
            with np.load(chunk_file, allow_pickle=False) as arrays:
                for name in layout.variables:
                    file[name][chunk.start : chunk.stop] = arrays[name]
    os.replace(partial, path)
