"""Files of named arrays and a JSON header: zip archives that `numpy.load` opens, never pickle."""

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from closurax.physics.errors import SurrogateFileError

_HEADER = "header"


def write_array_file(
    path: str | os.PathLike, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Writes `arrays`, and `header` as UTF-8 JSON in an array of bytes called `"header"`.

    The header gains the entry `"arrays"`: the shape and dtype of each. The file appears under
    its name only when it is complete and on disk, so that a killed process leaves either the
    old file or the new one.

    Raises `SurrogateFileError` if the header cannot be JSON.
    """
    path = Path(path)
    manifest = {
        name: {"shape": list(array.shape), "dtype": str(array.dtype)}
        for name, array in arrays.items()
    }
    try:
        text = json.dumps({**header, "arrays": manifest}, indent=1)
    except TypeError as error:
        raise SurrogateFileError(
            f"The header of {str(path)!r} cannot be JSON ({error}); "
            "give numbers, strings, lists and mappings only."
        ) from error
    contents = {_HEADER: np.frombuffer(text.encode(), np.uint8), **arrays}
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                for name, array in contents.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, array, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_array_file(
    path: str | os.PathLike, kind: str, version: int
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Reads the header and the arrays of a file of format `kind`, at most of `version`.

    Raises `SurrogateFileError` if the file is missing, damaged, of another kind, of a newer
    version, or does not hold what its header says.
    """
    contents = _read_contents(path)
    header = _parse_header(contents.pop(_HEADER, None), path)
    if header.get("format") != kind:
        raise SurrogateFileError(
            f"{str(path)!r} is a {header.get('format')!r} file, expected a {kind!r} file."
        )
    found = header.get("format_version")
    if not isinstance(found, int) or found > version:
        raise SurrogateFileError(
            f"{str(path)!r} has format version {found}, written by closurax "
            f"{header.get('closurax_version')}; this closurax reads up to version {version}: "
            "upgrade it."
        )
    _check_manifest(header.get("arrays"), contents, path)
    return header, contents


def read_header(path: str | os.PathLike) -> dict[str, Any]:
    """The JSON header of a surrogate file or of a checkpoint.

    Raises `SurrogateFileError` if the file is missing or damaged.
    """
    return _parse_header(_read_contents(path, only=_HEADER).get(_HEADER), path)


def _read_contents(path: str | os.PathLike, only: str | None = None) -> dict[str, np.ndarray]:
    path = Path(path)
    if not path.is_file():
        raise SurrogateFileError(f"There is no file {str(path)!r}; check the path.")
    with path.open("rb") as file:
        if file.read(2) != b"PK":
            raise SurrogateFileError(
                f"{str(path)!r} is not a file that closurax wrote: it is no zip archive."
            )
    try:
        # Given a path, `numpy.load` would leave a damaged file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            contents = {name: archive[name] for name in archive.files if only in (None, name)}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise SurrogateFileError(
            f"{str(path)!r} is damaged or truncated ({str(error).splitlines()[0]}); copy it again."
        ) from error
    return {name: array for name, array in contents.items() if isinstance(array, np.ndarray)}


def _parse_header(array: np.ndarray | None, path: str | os.PathLike) -> dict[str, Any]:
    try:
        if array is None:
            raise ValueError("it has none")
        header = json.loads(array.tobytes())
        if not isinstance(header, dict):
            raise ValueError("it is no mapping")
    except ValueError as error:
        raise SurrogateFileError(
            f"{str(path)!r} has no readable header ({error}); closurax did not write it."
        ) from error
    return header


def _check_manifest(
    manifest: Any, arrays: Mapping[str, np.ndarray], path: str | os.PathLike
) -> None:
    if not isinstance(manifest, dict):
        raise SurrogateFileError(f"The header of {str(path)!r} does not list its arrays.")
    missing, extra = sorted(set(manifest) - set(arrays)), sorted(set(arrays) - set(manifest))
    if missing or extra:
        raise SurrogateFileError(
            f"{str(path)!r} does not hold the arrays of its header: missing {missing}, "
            f"not listed {extra}."
        )
    for name, array in arrays.items():
        expected = (manifest[name].get("shape"), manifest[name].get("dtype"))
        if expected != (list(array.shape), str(array.dtype)):
            raise SurrogateFileError(
                f"Array {name!r} in {str(path)!r} is {array.dtype}{list(array.shape)}, but the "
                f"header says {expected[1]}{expected[0]}."
            )
