"""Schemes exported to C and Fortran do what they do here, and refuse what is laid out wrongly."""

import ctypes
import re
import shutil
import subprocess
import threading

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax import datasets, surrogates
from closurax.cli import main
from closurax.physics.column import PersistentConvection
from closurax.physics.column.convection import (
    MEAN_VERTICAL_VELOCITY,
    PROFILES,
    SCALARS,
    SURFACE,
    TENDENCIES,
)
from closurax.physics.column.kain_fritsch import MultiScaleKainFritsch
from closurax.physics.errors import ClosuraxError, DataError, SurrogateFileError
from closurax.surrogates import columns
from closurax.surrogates.export import (
    COMPILER_FLAGS,
    export_c,
    load_exported,
    read_parity,
)

READ = (*PROFILES, MEAN_VERTICAL_VELOCITY, *SURFACE)
RETURNED = (*TENDENCIES, *SCALARS)
DECISIONS = ("convection_class", "cloud_base_level", "cloud_top_level")
LEVELS = 40

pytestmark = pytest.mark.skipif(
    not (shutil.which("gcc") and shutil.which("gfortran")), reason="needs gcc and gfortran"
)


@pytest.fixture(scope="module")
def inputs():
    return datasets.draw_columns(datasets.sars_soundings(), datasets.ColumnRecipe(), 2000, seed=3)


def scaling(levels=LEVELS):
    """Scales as data would have them; nearly linear profiles, so that no level is like another."""
    rng = np.random.default_rng(0)
    tendencies = {q.name: rng.normal(size=(8, levels)) * 1e-5 for q in TENDENCIES}
    scalars = {
        "precipitation_rate": np.linspace(0, 1e-3, 8),
        "convective_lifetime": np.linspace(600.0, 3600.0, 8),
        "convection_class": np.asarray([1, 1, 1, 1, 2, 2, 1, 1]),
    }
    return columns.TendencyScaling.fit(
        tendencies | scalars, np.full(8, 1800.0), np.full((8, levels), 200.0)
    )


@pytest.fixture(scope="module")
def scheme(inputs):
    """Features of test parcels, and weights that are spread enough to decide this way and that."""
    some = {name: v[:512] for name, v in inputs.items()}
    features = columns.ParcelFeatures.fit(some)
    network = columns.DenseNetwork(
        LEVELS, features.channels, features.scalars, 24, 3, "relu", key=jax.random.key(1)
    )
    # No class is the most probable one everywhere.
    told = jax.jit(jax.vmap(features))({name: jnp.asarray(v) for name, v in some.items()})
    said = jax.vmap(network)(told.profile, told.scalars).class_logits[told.may_convect]
    bias = network.exit.bias.at[:3].add(-jnp.mean(said, axis=0))
    network = eqx.tree_at(lambda n: n.exit.bias, network, bias)
    return columns.ConvectionNetwork(features, network, scaling())


@pytest.fixture(scope="module")
def expected(scheme, inputs):
    return in_jax(scheme, inputs)


@pytest.fixture(scope="module")
def plain_scheme(inputs):
    """Without test parcels, which takes less time to compile."""
    features = columns.ColumnFeatures.fit({name: v[:300] for name, v in inputs.items()})
    return with_activation(features, "silu")


def with_activation(features, activation):
    network = columns.DenseNetwork(
        LEVELS, features.channels, features.scalars, 13, 1, activation, key=jax.random.key(2)
    )
    constraints = (columns.PositiveRain(), columns.ClosedMomentum())
    return columns.ConvectionNetwork(features, network, scaling(), constraints)


@pytest.fixture(scope="module")
def folder(scheme, inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    export_c(PersistentConvection(scheme), folder, {k: v[:400] for k, v in inputs.items()})
    return folder


@pytest.fixture(scope="module")
def library(folder):
    return built(folder)


def built(folder):
    command = ["gcc", *COMPILER_FLAGS.split(), "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    compile_in(folder, [*command, "-o", "scheme.so", "closurax_convection.c", "-lm"])
    library = ctypes.CDLL(str(folder / "scheme.so"))
    library.closurax_convection_message.restype = ctypes.c_char_p
    return library


def compile_in(folder, command):
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def called(library, inputs, levels=LEVELS):
    """The code and the outputs of the C function."""
    read = [np.ascontiguousarray(inputs[q.name], np.float32) for q in READ]
    count = read[0].shape[0]
    outputs = {q.name: np.full((count, LEVELS), 7, np.float32) for q in TENDENCIES}
    outputs |= {q.name: np.full(count, 7, np.float32) for q in SCALARS}
    pointers = [
        (ctypes.c_void_p * len(arrays))(*[array.ctypes.data for array in arrays])
        for arrays in (read, list(outputs.values()))
    ]
    return library.closurax_convection(count, levels, *pointers), outputs


def in_jax(scheme, inputs):
    read = {name: jnp.asarray(values) for name, values in inputs.items()}
    outputs = eqx.filter_jit(lambda s, read: jax.vmap(s.tendencies)(read))(scheme, read)
    return {name: np.asarray(values) for name, values in outputs.items()}


def compare(returned, expected):
    """The fraction of columns that decide otherwise; the others agree.

    Test parcels subtract potential temperatures that single precision rounds to 3e-5 K, in JAX
    as in C, so that a few columns differ by more than the network does.
    """
    flipped = np.any([returned[name] != expected[name] for name in DECISIONS], axis=0)
    for name in expected.keys() - {*DECISIONS}:
        difference = np.abs(returned[name] - expected[name])[~flipped]
        per_column = difference.reshape(len(difference), -1).max(axis=1)
        largest = np.abs(expected[name]).max()
        assert np.quantile(per_column, 0.99) <= 2e-5 * largest, name
    return flipped.mean()


def test_c_does_what_the_scheme_does(library, expected, inputs):
    code, returned = called(library, inputs)
    assert code == 0
    kinds = np.bincount(expected["convection_class"].astype(int), minlength=3)
    assert kinds.min() > 20, "the scheme decides always the same"
    flipped = compare(returned, expected)
    print(f"{flipped:.2%} of {len(expected['convection_class'])} columns decide otherwise")
    assert flipped <= 0.005
    # Where nothing is set off nothing happens, exactly.
    none = expected["convection_class"] == 0
    assert all(np.all(returned[q.name][none] == 0) for q in TENDENCIES)


@pytest.mark.parametrize("batch", [1, 3, 15, 33])
def test_batches_do_not_change_a_column(library, inputs, batch):
    _, whole = called(library, {name: v[:99] for name, v in inputs.items()})
    for start in range(0, 99, batch):
        part = slice(start, min(start + batch, 99))
        code, some = called(library, {name: v[part] for name, v in inputs.items()})
        assert code == 0
        for name in whole:
            largest = np.abs(whole[name]).max()
            np.testing.assert_allclose(some[name], whole[name][part], atol=2e-5 * largest, rtol=0)


def test_two_threads_do_not_disturb_each_other(library, inputs):
    alone = called(library, inputs)[1]
    results = []
    threads = [
        threading.Thread(target=lambda: results.extend(called(library, inputs) for _ in range(5)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 10
    for _, outputs in results:
        for name in alone:
            np.testing.assert_array_equal(outputs[name], alone[name])


def broken(inputs, name, change):
    some = {key: np.array(values[:LEVELS]) for key, values in inputs.items()}
    some[name] = np.ascontiguousarray(change(some[name]), np.float32)
    return some


def with_nan(values):
    values.reshape(-1)[-1] = np.nan
    return values


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("air_pressure", np.transpose, "does not decrease"),
        ("air_pressure", lambda p: p[:, ::-1], "does not decrease"),
        ("air_pressure", lambda p: p / 100, "units"),
        ("air_temperature", np.transpose, "air_density"),
        ("air_temperature", lambda t: t - 273.15, "units"),
        ("air_density", np.transpose, "air_density"),
        ("vapour_mixing_ratio", lambda q: 1000 * q, "units"),
        ("time_step", np.zeros_like, "units"),
        *((q.name, with_nan, "NaN") for q in READ),
        ("eastward_wind", lambda u: u / np.float32(0), "NaN"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_wrong_inputs_have_their_codes(library, inputs, name, change, message):
    code, outputs = called(library, broken(inputs, name, change))
    assert message in library.closurax_convection_message(code).decode()
    assert all(np.all(values == 7) for values in outputs.values()), "outputs were touched"


def test_wrong_sizes_have_their_codes(library, inputs):
    assert called(library, inputs, levels=LEVELS - 1)[0] == 2
    assert library.closurax_convection(-1, LEVELS, None, None) == 1
    assert library.closurax_convection(1, LEVELS, None, None) == 3
    assert library.closurax_convection(0, LEVELS, None, None) == 0
    assert library.closurax_convection_levels() == LEVELS
    codes = [library.closurax_convection_message(code) for code in range(9)]
    assert len(set(codes)) == 9


def test_header_compiles_alone(folder):
    text = '#include "closurax_convection.h"\nint main(void) { return 0; }\n'
    (folder / "alone.c").write_text(text)
    flags = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-I."]
    compile_in(folder, ["gcc", *flags, "-c", "alone.c"])


def test_fortran_driver_passes_and_notices_a_difference(folder, library, tmp_path):
    for file in folder.iterdir():
        shutil.copyfile(file, tmp_path / file.name)
    readme = (folder / "README.txt").read_text()
    commands = re.findall(r"^  (gcc .*|gfortran .*)$", readme, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        strict = [] if command.startswith("gcc") else ["-std=f2008"]
        compile_in(tmp_path, [*command.split(), "-Wall", "-Wextra", "-Werror", *strict])
    run = subprocess.run(["./column_driver"], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "all passed" in run.stdout
    assert "does not decrease" in run.stdout
    assert "microseconds per column" in run.stdout
    assert int(re.search(r"(\d+) calls", run.stdout)[1]) >= 1

    content = bytearray((tmp_path / "parity.bin").read_bytes())
    content[-4:] = np.float32(9).tobytes()  # a cloud top
    (tmp_path / "parity.bin").write_bytes(content)
    run = subprocess.run(["./column_driver"], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 1
    assert "FAILED" in run.stdout


def test_parity_file_holds_what_the_scheme_returns(folder, inputs, expected):
    read, outputs = read_parity(folder / "parity.bin")
    assert 100 < len(read["time_step"]) <= 256
    assert np.mean(outputs["convection_class"] > 0) > 0.1
    # Every column has a grid spacing of its own, by which it is found again.
    index = [int(np.flatnonzero(inputs["grid_spacing"] == dx)[0]) for dx in read["grid_spacing"]]
    for name, values in read.items():
        np.testing.assert_array_equal(values, inputs[name][index])
    for name in DECISIONS:
        np.testing.assert_array_equal(outputs[name], expected[name][index])


@pytest.mark.slow
def test_jax_export_calls_with_any_number_of_columns(folder, inputs, expected):
    call = load_exported(folder / "scheme.jaxexport")
    returned = call({q.name: jnp.asarray(inputs[q.name][:7]) for q in READ})
    assert returned.keys() == expected.keys()
    for name, values in expected.items():
        largest = np.abs(values).max()
        np.testing.assert_allclose(returned[name], values[:7], atol=5e-5 * largest, rtol=0)


def levelwise(trunk, features):
    """Sizes that fill no vector, and levels that are reached across ground and top."""
    arguments = {
        columns.BiLSTM: {"hidden": 5, "depth": 3},
        columns.LevelConvolution: {"width": 11, "kernel_size": 5, "dilations": (3, 30)},
        columns.LevelMixing: {"levels": LEVELS, "width": 11, "depth": 1},
        columns.DiagonalStateSpace: {"width": 11, "depth": 1, "states": 4},
    }
    sizes = {"channels": features.channels, "scalars": features.scalars}
    keys = jax.random.split(jax.random.key(4))
    network = columns.LevelwiseNetwork(trunk(**sizes, **arguments[trunk], key=keys[0]), key=keys[1])
    # Layer normalisation begins with ones and zeros, which hide which is which.
    rng = np.random.default_rng(0)
    network = jax.tree_util.tree_map(
        lambda x: (
            x + np.float32(0.1) * rng.normal(size=x.shape).astype(np.float32)
            if eqx.is_array(x)
            else x
        ),
        network,
    )
    bias = network.column_head.bias.at[1].add(2.0)  # deep convection
    network = eqx.tree_at(lambda n: n.column_head.bias, network, bias)
    # Without constraints all columns have tendencies and rain.
    return columns.ConvectionNetwork(features, network, scaling(), ())


def agrees_with_its_reference(folder):
    library = built(folder)
    read, expected = read_parity(folder / "parity.bin")
    assert len(read["time_step"]) > 16, "less than one block"
    # Many columns, and few, for which products run along the rows of the matrices.
    for count in (len(read["time_step"]), 3):
        code, returned = called(library, {name: values[:count] for name, values in read.items()})
        assert code == 0
        for name, values in expected.items():
            largest = np.abs(values).max()
            limit = 0 if name in DECISIONS else 1e-5 * largest
            assert largest > 0, f"{name} is not tested"
            np.testing.assert_allclose(returned[name], values[:count], atol=limit, rtol=0)


@pytest.mark.parametrize("activation", ["silu", "gelu"])
def test_plain_features_and_other_activations(plain_scheme, inputs, activation, tmp_path):
    scheme = with_activation(plain_scheme.features, activation)
    export_c(scheme, tmp_path, {name: values[:300] for name, values in inputs.items()})
    agrees_with_its_reference(tmp_path)


@pytest.mark.parametrize(
    "trunk",
    [
        columns.BiLSTM,
        columns.LevelConvolution,
        columns.LevelMixing,
        columns.DiagonalStateSpace,
    ],
)
def test_networks_over_levels(plain_scheme, inputs, trunk, tmp_path):
    scheme = levelwise(trunk, plain_scheme.features)
    export_c(scheme, tmp_path, {name: values[:300] for name, values in inputs.items()})
    assert f"LevelwiseNetwork, {trunk.__name__}" in (tmp_path / "README.txt").read_text()
    agrees_with_its_reference(tmp_path)


def test_unsupported_parts_are_refused_in_one_line(scheme, tmp_path):
    class OwnTrunk(columns.AbstractTrunk):
        width: int = 3

        def __call__(self, profile, scalars):
            return profile[:, :3]

    network = columns.LevelwiseNetwork(OwnTrunk(), key=jax.random.key(0))
    other = columns.ConvectionNetwork(scheme.features, network, scheme.scaling)
    with pytest.raises(ClosuraxError, match="OwnTrunk cannot .* trunks that can: BiLSTM") as error:
        export_c(other, tmp_path / "out")
    assert "\n" not in str(error.value)
    with pytest.raises(ClosuraxError, match="a ConvectionNetwork can"):
        export_c(MultiScaleKainFritsch(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_columns_that_do_not_fit_are_refused(scheme, inputs, tmp_path):
    with pytest.raises(DataError, match="lack 'time_step'"):
        export_c(scheme, tmp_path, {k: v for k, v in inputs.items() if k != "time_step"})
    with pytest.raises(DataError, match="'air_density' has the shape"):
        export_c(scheme, tmp_path, {**inputs, "air_density": inputs["air_density"].T})
    (tmp_path / "wrong").write_bytes(b"not an export")
    with pytest.raises(SurrogateFileError, match="cannot|can read"):
        load_exported(tmp_path / "wrong")
    with pytest.raises(SurrogateFileError, match="There is no file"):
        load_exported(tmp_path / "nothing")


@pytest.mark.slow
def test_command_writes_the_files(plain_scheme, tmp_path, capsys):
    surrogates.save(tmp_path / "scheme.eqx", plain_scheme)
    assert main(["export", str(tmp_path / "scheme.eqx"), "--out", str(tmp_path / "out")]) == 0
    assert "README.txt" in capsys.readouterr().out
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "README.txt",
        "closurax_convection.c",
        "closurax_convection.f90",
        "closurax_convection.h",
        "column_driver.f90",
        "parity.bin",
        "scheme.jaxexport",
    ]
    assert main(["export", str(tmp_path / "nothing"), "--out", str(tmp_path / "out")]) == 1
