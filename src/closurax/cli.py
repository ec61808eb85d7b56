"""The command line. What takes long to import is imported by the command that needs it."""

import argparse
import os
import shlex
import sys
import tomllib
from collections.abc import Sequence
from typing import Any


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `closurax` with the given arguments and returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except KeyboardInterrupt:
        print("closurax: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        from .physics.errors import ClosuraxError

        if options.debug or not isinstance(error, ClosuraxError | OSError):
            raise
        message = " ".join(str(error).split())
        print(f"closurax: error: {message}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="closurax",
        description="Learned schemes in the place of physical ones in running simulations.",
    )
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="show it and exit")
    parser.add_argument("--debug", action="store_true", help="show a traceback on errors")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run an experiment and write its report")
    run.add_argument(
        "experiment", metavar="NAME_OR_FILE", help="see `closurax list`, or a TOML file"
    )
    run.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="overrides",
        help="override a setting, such as training.epochs=3; may be repeated",
    )
    run.add_argument("--out", metavar="DIR", help="folder for the results (default: in runs/)")
    run.add_argument("--resume", action="store_true", help="go on where a run was interrupted")
    run.set_defaults(command=_run)

    show = commands.add_parser("show", help="print the settings of an experiment, to copy and edit")
    show.add_argument("experiment", metavar="NAME")
    show.set_defaults(command=_show)

    export = commands.add_parser("export", help="write a convection scheme as C and Fortran")
    export.add_argument("scheme", metavar="SCHEME", help="a surrogate file")
    export.add_argument("--out", metavar="DIR", required=True, help="folder for the files")
    export.add_argument(
        "--columns", metavar="FILE",
        help="netCDF file of columns to check with (default: drawn around soundings that ship)",
    )  # fmt: skip
    export.set_defaults(command=_export)

    commands.add_parser("list", help="list the experiments").set_defaults(command=_list)

    doctor = commands.add_parser("doctor", help="check that the installation works")
    doctor.set_defaults(command=_doctor)
    for command in (run, show, export, doctor):
        # Suppressed, so that the command's default does not hide the one given before it.
        command.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
    return parser


class _ShowVersion(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from . import __version__

        print(f"closurax {__version__}")
        parser.exit()


def _run(options: argparse.Namespace) -> int:
    # A bar that goes to the file of a batch job is not to fill it. Read when tqdm is imported.
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_MININTERVAL", "10")
    from .config import parse_override, read_experiment
    from .run import output_folder, run_experiment

    overrides = dict(parse_override(text) for text in options.overrides)
    read_experiment(options.experiment, overrides)
    folder = output_folder(options.experiment, options.out, options.resume)
    try:
        run_experiment(options.experiment, overrides, folder, options.resume)
    except KeyboardInterrupt:
        again = ["closurax", "run", options.experiment]
        again += [part for text in options.overrides for part in ("--set", text)]
        again += ["--out", str(folder), "--resume"]
        print(
            f"closurax: interrupted; to go on where it stopped: {shlex.join(again)}",
            file=sys.stderr,
        )
        return 130
    return 0


def _show(options: argparse.Namespace) -> int:
    from .config import shipped_text

    print(shipped_text(options.experiment), end="")
    return 0


def _list(options: argparse.Namespace) -> int:
    from .config import shipped_text
    from .experiments import EXPERIMENTS

    for name in EXPERIMENTS:
        about = tomllib.loads(shipped_text(name))
        minutes = f"{about['expected_minutes']:g} min"
        print(f"{name:20} {minutes:>8}  {about['description']}")
    return 0


def _export(options: argparse.Namespace) -> int:
    from . import datasets, surrogates
    from .surrogates.export import export_c

    scheme = surrogates.load(options.scheme)
    inputs = None
    if options.columns:
        with datasets.open_convection_columns(options.columns) as columns:
            # Enough to find the reference columns in; a file may hold many more.
            inputs = datasets.column_inputs(columns.isel(column=slice(0, 2048)))
    export_c(scheme, options.out, inputs)
    print(f"wrote {options.out}; README.txt says how to compile it")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from .doctor import diagnose

    return diagnose()
