"""Experiment files: read from TOML, overridden, validated before any work, and written back."""

import difflib
import json
import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import pydantic

from .experiments import EXPERIMENTS, AbstractExperiment

_DOTTED_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def read_experiment(
    name_or_file: str | Path, overrides: Mapping[str, Any] | None = None
) -> AbstractExperiment:
    """The validated settings of a shipped experiment, or of a TOML file.

    A file names the experiment that it is a variant of, `experiment = "subgrid-turbulence"`,
    and holds what differs from the shipped settings of that experiment.

    **Arguments:**

    - `name_or_file`: a name that `closurax list` shows, or the path of a TOML file.
    - `overrides`: values by dotted key, such as `{"training.epochs": 3}`.

    Raises `ExperimentError` for an unknown experiment, an unreadable file, an unknown key or a
    value that is not allowed.
    """
    given = _read(name_or_file)
    for key, value in (overrides or {}).items():
        if not _DOTTED_KEY.fullmatch(key):
            raise _error(f"{key!r} is not a dotted key such as 'training.epochs'.")
        given = merge(given, _nested(key, value))
    name = given.get("experiment")
    if name not in EXPERIMENTS:
        problem = "is missing" if name is None else f"= {name!r} is not known"
        raise _error(f"key 'experiment' {problem}; allowed: {_quoted(EXPERIMENTS)}.")
    settings = merge(tomllib.loads(shipped_text(name)), given)
    try:
        return EXPERIMENTS[name].model_validate(settings)
    except pydantic.ValidationError as error:
        raise _error(_explain(error, EXPERIMENTS[name])) from None


def shipped_text(name: str) -> str:
    """The TOML text of a shipped experiment."""
    if name not in EXPERIMENTS:
        raise _error(_unknown_experiment(name))
    file = files("closurax.experiments") / f"{name.replace('-', '_')}.toml"
    return file.read_text(encoding="utf-8")


def parse_override(text: str) -> tuple[str, Any]:
    """Splits `key=value` with the value in TOML syntax; what is no TOML value is a string."""
    key, equals, value = text.partition("=")
    if not equals:
        raise _error(f"--set takes key=value, such as training.epochs=3, not {text!r}.")
    try:
        parsed = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return key.strip(), value
    # A line break in the value could smuggle in further keys.
    return key.strip(), parsed["value"] if parsed.keys() == {"value"} else value


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables merged key by key; everything else is replaced by what is `above`."""
    merged = dict(below)
    for key, value in above.items():
        both_tables = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both_tables else value
    return merged


def to_toml(table: Mapping[str, Any], prefix: str = "") -> str:
    """TOML text of nested tables of strings, numbers, booleans and lists of those or of tables."""
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    lines = [f"{_toml_key(key)} = {_toml_value(value)}\n" for key, value in plain.items()]
    for key, value in table.items():
        if isinstance(value, Mapping):
            name = f"{prefix}{_toml_key(key)}"
            lines.append(f"\n[{name}]\n{to_toml(value, f'{name}.')}")
    return "".join(lines)


def _read(name_or_file: str | Path) -> dict[str, Any]:
    if str(name_or_file) in EXPERIMENTS:
        return tomllib.loads(shipped_text(str(name_or_file)))
    path = Path(name_or_file)
    if not path.is_file():
        raise _error(_unknown_experiment(str(name_or_file)))
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _error(f"{path} is not a TOML file: {error}.") from None


def _nested(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def _unknown_experiment(name: str) -> str:
    close = difflib.get_close_matches(name, EXPERIMENTS, 1)
    hint = f" did you mean {close[0]!r}?" if close else ""
    return (
        f"no experiment and no file is called {name!r};{hint} the experiments are "
        f"{_quoted(EXPERIMENTS)}."
    )


def _explain(error: pydantic.ValidationError, experiment: type[AbstractExperiment]) -> str:
    """One line on the first thing that is wrong, and how many more there are."""
    first, *others = error.errors()
    key, value = ".".join(str(part) for part in first["loc"]), first["input"]
    context = first.get("ctx", {})
    match first["type"]:
        case "extra_forbidden":
            text = f"unknown key {key!r}; {_nearest_key(key, experiment)}"
        case "missing":
            text = f"key {key!r} is missing"
        case "literal_error":
            allowed = context["expected"].replace(" or ", ", ")
            text = f"{key!r} = {value!r} is not allowed; allowed: {allowed}"
        case "model_type":
            text = f"{key!r} = {value!r} is a single value, but [{key}] is a table"
        case "value_error":
            where = f"{key!r}: " if key else ""
            text = f"{where}{context['error']}"
        case _:
            rule = first["msg"].removeprefix("Input ")
            text = f"{key!r} = {value!r} is not allowed: it {rule}"
    more = f" (and {len(others)} more)" if others else ""
    return f"{text}{more}."


def _nearest_key(key: str, experiment: type[AbstractExperiment]) -> str:
    known = list(_dotted_keys(experiment))
    same_name = [name for name in known if name.split(".")[-1] == key.split(".")[-1]]
    close = same_name or difflib.get_close_matches(key, known, 1)
    table = key.rpartition(".")[0]
    siblings = [name for name in known if name.rpartition(".")[0] == table] or known
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}allowed: {', '.join(siblings)}"


def _dotted_keys(model: type[pydantic.BaseModel], prefix: str = ""):
    for name, field in model.model_fields.items():
        kinds = (field.annotation, *get_args(field.annotation))
        tables = [k for k in kinds if isinstance(k, type) and issubclass(k, pydantic.BaseModel)]
        if tables:
            yield from _dotted_keys(tables[0], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml_value(key)


def _toml_value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml_value(item) for item in value)}]"
    if isinstance(value, Mapping):
        pairs = (f"{_toml_key(key)} = {_toml_value(item)}" for key, item in value.items())
        return f"{{ {', '.join(pairs)} }}"
    # JSON writes strings, numbers and booleans as TOML does, but leaves DEL unescaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _quoted(names) -> str:
    return ", ".join(repr(name) for name in names)


def _error(message: str) -> Exception:
    # Only now, because the errors live next to jax, which takes a second to import.
    from .physics.errors import ExperimentError

    return ExperimentError(message)
