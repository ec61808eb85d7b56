import json
import subprocess
import sys
import zipfile
from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from closurax.datasets.normalisers import Standardiser
from closurax.physics import closures, column, coupling
from closurax.physics.column.kain_fritsch import MultiScaleKainFritsch
from closurax.physics.errors import SurrogateFileError
from closurax.physics.scheme import Quantity
from closurax.physics.spectral import SpectralGrid
from closurax.physics.turbulence import BarotropicVorticity
from closurax.surrogates import (
    ConvolutionalClosure,
    ScaledSpectralViscosity,
    SpectralEddyViscosity,
    SymmetrisedClosure,
    closures as learned_closures,
    columns,
    fields,
    load,
    operators,
    read_header,
    save,
)
from closurax.surrogates.classes import CLASSES
from closurax.surrogates.reinforcement import GaussianPolicy
from closurax.surrogates.training import resolved_tendency


@cache
def network(**options):
    return ConvolutionalClosure(
        width=3,
        depth=2,
        kernel_size=3,
        input_normaliser=Standardiser(jnp.array([0.1, 0.2]), jnp.array([6.0, 0.5])),
        **options,
        key=jax.random.key(5),
    )


FEATURES = columns.ColumnFeatures(
    Standardiser(jnp.full((5, 9), 0.1), jnp.full((5, 9), 3.0)),
    Standardiser(jnp.full(7, 0.2), jnp.full(7, 0.5)),
)
DISCRIMINANT = columns.LinearDiscriminant(jnp.full((3, 52), 0.25), jnp.array([0.1, 0.2, 0.3]))
COMPONENTS = columns.PrincipalComponents(
    jnp.full(52, 0.5), jnp.full((2, 52), 0.125), jnp.array([2.0, 1.0]), jnp.asarray(0.25)
)
ENVELOPE = columns.EnvelopeScore(FEATURES, COMPONENTS, jnp.asarray(3.0))


def learned_convection(network, features=FEATURES):
    scale = Standardiser(jnp.zeros((5, 8)), jnp.full((5, 8), 1e-4))
    scaling = columns.TendencyScaling(scale, scale, 0.1, 0.2, 7.1, 0.3, 300.0)
    return columns.ConvectionNetwork(features, network, scaling)


def dense(seed=0):
    return columns.DenseNetwork(5, 9, 7, 3, 2, "relu", key=jax.random.key(seed))


def over_levels(trunk, *sizes):
    key = jax.random.key(1)
    return learned_convection(columns.LevelwiseNetwork(trunk(*sizes, key=key), key=key))


def ensemble():
    scheme = learned_convection(dense())
    return columns.EnsembleConvection(
        FEATURES, (dense(0), dense(1)), scheme.scaling, scheme.constraints, jnp.full(9, 1.5)
    )


def between_fields(operator, output=("pressure", "Pa")):
    inputs = (Quantity("vorticity", "s-1"), Quantity("streamfunction", "m2 s-1"))
    return operators.FieldSurrogate(
        operator,
        inputs,
        (Quantity(*output),),
        Standardiser(jnp.array([0.1, 0.2]), jnp.array([6.0, 0.5])),
        Standardiser(jnp.array([0.3]), jnp.array([2.0])),
    )


def fourier(channels=2, **options):
    options = {"modes": (2, 3), "projection": 4, **options}
    return operators.FNO(channels, 1, 3, 1, **options, key=jax.random.key(2))


def multigrid(**options):
    return operators.MgNO(2, 1, 3, 2, before=(1, 2), **options, key=jax.random.key(3))


def field_of_gaussians(offset=None):
    gaussians = fields.GaussianFeatures(jnp.ones((3, 2)), jnp.full((3, 2), 0.5))
    features = fields.PeriodicFeatures(gaussians, (None, 2.0))
    return fields.LinearField(features, jnp.arange(6.0).reshape(3, 2), offset)


SCHEMES = {
    "field of Gaussians": lambda: field_of_gaussians(field_of_gaussians()),
    "network after waves": lambda: fields.NetworkField(
        [0, -1],
        [1, 1],
        2,
        width=3,
        depth=1,
        features=fields.FourierFeatures(jnp.ones((4, 2))),
        key=jax.random.key(2),
    ),
    "separable networks": lambda: fields.SeparableField.of_networks(
        [0, -1], [1, 1], 2, rank=3, width=3, depth=1, key=jax.random.key(3)
    ),
    "separable Gaussians": lambda: fields.SeparableField.of_gaussians(
        [0, -1], [1, 1], rank=3, gaussians=4, key=jax.random.key(4)
    ),
    "Gaussians with a network": lambda: fields.PIG(
        [0, -1], [1, 1], 2, gaussians=7, width=0.2, key=jax.random.key(4)
    ),
    "Gaussians of full covariance with a network": lambda: fields.PIG(
        [0, -1], [1, 1], gaussians=7, covariance="full", key=jax.random.key(4)
    ),
    "Gaussians of full covariance": lambda: fields.LinearField(
        fields.FullGaussianFeatures(jnp.ones((3, 2)), jnp.ones((3, 2, 2))), jnp.ones((3, 1))
    ),
    "convolutional": lambda: network(),
    "convolutional with options": lambda: network(
        inputs=("streamfunction", "vorticity"), activation="gelu"
    ),
    "symmetrised": lambda: SymmetrisedClosure(network()),
    "agents": lambda: learned_closures.AgentClosure(
        GaussianPolicy.initial(8, 2, width=3, depth=1, key=jax.random.key(6)),
        learned_closures.BackscatterForm(upper=(0.1, 0.2)),
        learned_closures.LocalInvariants("isotropic", scale_free=True),
        learned_closures.AgentLattice((2, 4)),
    ),
    "an agent at every point": lambda: learned_closures.AgentClosure(
        learned_closures.ConvolutionalPolicy(6, 1, 3, 2, key=jax.random.key(7)),
        learned_closures.LeithForm(average="local"),
        learned_closures.LocalInvariants(spectrum=None),
        learned_closures.AgentLattice(None),
    ),
    "held coefficients": lambda: learned_closures.HeldCoefficients(
        learned_closures.SmagorinskyForm(lower=0.0), jnp.full((1, 4, 6), 0.1)
    ),
    "scaled spectral viscosity": lambda: ScaledSpectralViscosity(jnp.array([0.1, 0.2])),
    "spectral eddy viscosity": lambda: SpectralEddyViscosity(jnp.array([0.0, 0.1, 0.2])),
    "no closure": lambda: closures.NoClosure(),
    "Smagorinsky": lambda: closures.Smagorinsky(0.123456789, average="domain"),
    "Leith with a trained coefficient": lambda: closures.Leith(coefficient=jnp.float32(0.21)),
    "dynamic Smagorinsky": lambda: closures.DynamicSmagorinsky(),
    "dynamic Leith": lambda: closures.DynamicLeith(average="local"),
    "time-averaged dynamic Leith": lambda: closures.TimeAveragedDynamicLeith(calls=50.0),
    "Jansen-Held": lambda: closures.JansenHeldBackscatter(0.1, 0.8),
    "gradient model": lambda: closures.GradientModel(order=4, width=0.3),
    "sum": lambda: coupling.Sum(network(), coupling.Scaled(SymmetrisedClosure(network()), 0.5)),
    "scaled by an array": lambda: coupling.Scaled(closures.Leith(), jnp.float32(0.3)),
    "limited": lambda: coupling.Limited(network(), 10.0),
    "dissipative": lambda: coupling.Dissipative(closures.GradientModel()),
    "locally dissipative": lambda: coupling.LocallyDissipative(network()),
    "dense convection": lambda: learned_convection(dense()),
    "convection by parcels": lambda: learned_convection(
        dense(), columns.ParcelFeatures(FEATURES.profile, FEATURES.surface, bases=4)
    ),
    "LSTM": lambda: over_levels(columns.BiLSTM, 9, 7, 2, 2),
    "state space": lambda: over_levels(columns.DiagonalStateSpace, 9, 7, 3, 1, 2),
    "convolution over levels": lambda: over_levels(columns.LevelConvolution, 9, 7, 3, 3, (1, 2)),
    "mixing of levels": lambda: over_levels(columns.LevelMixing, 5, 9, 7, 3, 1),
    "convection ensemble": ensemble,
    "class means": lambda: columns.ClassMeanConvection(
        FEATURES, DISCRIMINANT, jnp.full((3, 44), 1e-5)
    ),
    "linear convection": lambda: columns.LinearConvection(
        FEATURES, DISCRIMINANT, jnp.full((2, 44, 52), 1e-5), jnp.full((2, 44), 1e-6)
    ),
    "nearest neighbours": lambda: columns.NearestNeighbourConvection(
        FEATURES,
        COMPONENTS,
        jnp.full((6, 2), 0.3),
        jnp.arange(6, dtype=jnp.int32) % 3,
        jnp.full((6, 44), 1e-5),
        neighbours=2,
    ),
    "multigrid operator": lambda: between_fields(
        multigrid(
            after=(0, 1),
            boundary=["periodic", ("dirichlet", "neumann")],
            layout="nodes",
            restricted="residual",
            shared=True,
            bias_shape=(8, 7),
        )
    ),
    "multigrid operator in one dimension": lambda: between_fields(multigrid(dimensions=1)),
    "multigrid operator as a closure": lambda: operators.OperatorClosure(
        between_fields(multigrid(boundary="periodic"), ("vorticity_tendency", "s-2"))
    ),
    "Fourier operator": lambda: between_fields(fourier(padding=0.25)),
    "Fourier operator with coordinates": lambda: between_fields(
        operators.WithCoordinates(fourier(3, modes=2, dimensions=1), 1, layout="nodes")
    ),
    "factorised Fourier operator": lambda: between_fields(
        operators.FactorisedFNO(
            2,
            1,
            3,
            1,
            modes=2,
            padding=(0.0, 0.5, 0.0),
            expansion=2,
            dimensions=3,
            key=jax.random.key(2),
        )
    ),
    "U-Net": lambda: between_fields(
        operators.UNet(
            2, 1, 3, 2, convolutions=1, boundary=["periodic", "zero"], key=jax.random.key(2)
        )
    ),
    "DeepONet": lambda: between_fields(
        operators.DeepONet(
            (8, 7), 2, 1, 3, 2, basis=4, halvings=1, layout="nodes", key=jax.random.key(2)
        )
    ),
    "resampled": lambda: between_fields(
        operators.Resampled(fourier(), (8, 6), ["periodic", "dirichlet"])
    ),
    "symmetrised operator": lambda: between_fields(operators.SymmetrisedOperator(fourier())),
    "multigrid operator in bfloat16": lambda: between_fields(operators.InBFloat16(multigrid())),
    "step in time": lambda: operators.FieldSurrogate(
        operators.ConservedMean(operators.ResidualStep(fourier(1))),
        (Quantity("vorticity", "s-1"),),
        (Quantity("vorticity", "s-1"),),
        Standardiser(jnp.array([0.1]), jnp.array([6.0])),
        Standardiser(jnp.array([0.1]), jnp.array([6.0])),
    ),
    "guarded convection with memory": lambda: column.PersistentConvection(
        coupling.GuardedConvection(
            coupling.LimitedConvection(learned_convection(dense()), 0.01),
            coupling.ConservativeConvection(MultiScaleKainFritsch(entrainment=0.025)),
            ENVELOPE,
            threshold=1.25,
        )
    ),
}


@pytest.mark.parametrize("name", SCHEMES)
def test_round_trip(name, tmp_path):
    scheme = SCHEMES[name]()
    path = tmp_path / "closure.eqx"
    save(path, scheme, provenance={"epochs": 3})
    loaded = load(path)
    assert type(loaded) is type(scheme)
    assert eqx.tree_equal(loaded, scheme)
    for name in ("reads", "returns"):
        assert getattr(loaded, name, None) == getattr(scheme, name, None)
    assert [p.name for p in tmp_path.iterdir()] == ["closure.eqx"]


def test_every_class_of_the_closed_list_makes_the_round_trip():
    def classes_in(node):
        if isinstance(node, eqx.Module):
            yield type(node)
            for name in node.__dataclass_fields__:
                yield from classes_in(getattr(node, name))
        elif isinstance(node, tuple):
            for item in node:
                yield from classes_in(item)

    covered = {cls for make in SCHEMES.values() for cls in classes_in(make())}
    assert set(CLASSES.values()) <= covered


def test_loaded_closure_runs_like_the_saved_one(getkey, tmp_path):
    grid = SpectralGrid(16)
    scheme = network()
    save(tmp_path / "c", scheme)
    vorticity = jax.random.normal(getkey(), grid.shape)
    compute = eqx.filter_jit(lambda s, w: resolved_tendency(s, w, grid))
    np.testing.assert_array_equal(
        compute(scheme, vorticity), compute(load(tmp_path / "c"), vorticity)
    )
    BarotropicVorticity(grid).replace(subgrid=load(tmp_path / "c"))


def test_numpy_alone_reads_it(tmp_path):
    path = tmp_path / "closure.eqx"
    scheme = network()
    save(path, scheme, provenance={"data": "dns", "seed": 3})
    code = (
        "import json, sys, numpy as np\n"
        "file = np.load(sys.argv[1], allow_pickle=False)\n"
        "header = json.loads(bytes(file['header']))\n"
        "print(json.dumps([header, file['layers/0/kernel'].tolist()]))\n"
        "assert not {'jax', 'closurax'} & set(sys.modules)\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, check=True, text=True
    )
    header, kernel = json.loads(printed.stdout)
    np.testing.assert_array_equal(np.asarray(kernel, np.float32), scheme.layers[0].kernel)
    assert header == read_header(path)
    assert header["provenance"] == {"data": "dns", "seed": 3}
    assert header["reads"] == [["vorticity", "s-1"], ["streamfunction", "m2 s-1"]]
    assert header["returns"] == [["vorticity_tendency", "s-2"]]
    assert header["normalisation"] == [
        "input_normaliser/mean",
        "input_normaliser/scale",
        "output_normaliser/mean",
        "output_normaliser/scale",
    ]
    assert header["arrays"]["layers/0/kernel"] == {"shape": [3, 3, 2, 3], "dtype": "float32"}


def rewritten(path, change):
    """Applies `change(header, arrays)` to what the file holds."""
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(arrays.pop("header").tobytes())
    change(header, arrays)
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with path.open("wb") as file:
        np.savez(file, header=text, **arrays)


def newer(header, arrays):
    header["format_version"] = 2


def other_format(header, arrays):
    header["format"] = "closurax checkpoint"


def unknown_class(header, arrays):
    header["scheme"]["class"] = "os.system"


def unknown_argument(header, arrays):
    header["scheme"]["arguments"]["dropout"] = 0.1


def wrong_argument(header, arrays):
    header["scheme"]["arguments"]["activation"] = "magic"


def argument_of_another_kind(header, arrays):
    header["scheme"]["arguments"]["width"] = {"strange": 1}


def missing_array(header, arrays):
    del arrays["layers/1/bias"]


def missing_array_in_both(header, arrays):
    del arrays["layers/1/bias"], header["arrays"]["layers/1/bias"]


def extra_array(header, arrays):
    arrays["layers/7/bias"] = np.zeros(3, np.float32)


def extra_array_in_both(header, arrays):
    extra_array(header, arrays)
    header["arrays"]["layers/7/bias"] = {"shape": [3], "dtype": "float32"}


def wrong_shape(header, arrays):
    arrays["layers/0/kernel"] = arrays["layers/0/kernel"][:2]


def wrong_shape_in_both(header, arrays):
    wrong_shape(header, arrays)
    header["arrays"]["layers/0/kernel"]["shape"][0] = 2


def wrong_dtype(header, arrays):
    arrays["layers/0/bias"] = arrays["layers/0/bias"].astype(np.float16)


def integer_in_both(header, arrays):
    arrays["layers/0/bias"] = arrays["layers/0/bias"].astype(np.int32)
    header["arrays"]["layers/0/bias"]["dtype"] = "int32"


def double_in_both(header, arrays):
    arrays["layers/0/bias"] = arrays["layers/0/bias"].astype(np.float64)
    header["arrays"]["layers/0/bias"]["dtype"] = "float64"


def no_manifest(header, arrays):
    del header["arrays"]


def no_scheme(header, arrays):
    header["scheme"] = header["scheme"]["arguments"]["input_normaliser"]
    for name in list(arrays):
        del arrays[name], header["arrays"][name]


@pytest.mark.parametrize(
    "change, said",
    [
        (newer, "version 2"),
        (other_format, "closurax checkpoint"),
        (unknown_class, "os.system"),
        (unknown_argument, "dropout"),
        (wrong_argument, "magic"),
        (argument_of_another_kind, "strange"),
        (missing_array, "layers/1/bias"),
        (missing_array_in_both, "layers/1/bias"),
        (extra_array, "layers/7/bias"),
        (extra_array_in_both, "layers/7/bias"),
        (wrong_shape, "layers/0/kernel"),
        (wrong_shape_in_both, "layers/0/kernel"),
        (wrong_dtype, "float16"),
        (integer_in_both, "int32"),
        (double_in_both, "jax_enable_x64"),
        (no_manifest, "does not list"),
        (no_scheme, "describes no scheme"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_refuses_files_that_do_not_fit(change, said, tmp_path):
    path = tmp_path / "closure.eqx"
    save(path, network())
    rewritten(path, change)
    with pytest.raises(SurrogateFileError) as raised:
        load(path)
    message = str(raised.value)
    assert said in message and "\n" not in message


def test_refuses_truncated_files_at_every_length(tmp_path):
    path = tmp_path / "closure.eqx"
    save(path, network())
    content = path.read_bytes()
    for length in [0, 1, 2, 10, 100, len(content) // 2, len(content) - 30, len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(SurrogateFileError, match="truncated|not a file") as raised:
            load(path)
        assert "\n" not in str(raised.value)


def test_refuses_flipped_bits(tmp_path):
    path = tmp_path / "closure.eqx"
    save(path, network())
    kernel = np.asarray(network().layers[0].kernel).tobytes()
    content = path.read_bytes()
    place = content.index(kernel)
    path.write_bytes(content[:place] + b"\xff\xff" + content[place + 2 :])
    with pytest.raises(SurrogateFileError, match="damaged"):
        load(path)


def test_refuses_what_is_no_surrogate_file(tmp_path):
    with pytest.raises(SurrogateFileError, match="no file"):
        load(tmp_path / "nothing.eqx")
    with pytest.raises(SurrogateFileError, match="no file"):
        load(tmp_path)
    text = tmp_path / "text.eqx"
    text.write_text("hello")
    with pytest.raises(SurrogateFileError, match="not a file"):
        load(text)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(SurrogateFileError, match="header"):
        load(tmp_path / "other.zip")


def test_never_unpickles(tmp_path):
    path = tmp_path / "closure.eqx"
    with path.open("wb") as file:
        np.savez(file, header=np.array([{"format": "closurax surrogate"}], dtype=object))
    with pytest.raises(SurrogateFileError, match="damaged"):
        load(path)


def test_refuses_to_save_what_it_cannot_load(tmp_path):
    class Custom(closures.AbstractSpectralClosure):
        def vorticity_tendency(self, grid, vorticity_hat):
            return vorticity_hat

    path = tmp_path / "closure.eqx"
    with pytest.raises(SurrogateFileError, match=r"scheme\.second.*Custom"):
        save(path, coupling.Sum(closures.Leith(), Custom()))
    with pytest.raises(SurrogateFileError, match="provenance|JSON"):
        save(path, network(), provenance={"path": object()})
    changed = eqx.tree_at(lambda s: s.layers, network(), network().layers[:1])
    with pytest.raises(SurrogateFileError):
        save(path, changed)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "closure.eqx"
    save(path, network())
    before = path.read_bytes()
    with pytest.raises(SurrogateFileError):
        save(path, network(), provenance={"bad": {1, 2}})
    assert path.read_bytes() == before


def test_double_precision_arrays(tmp_path):
    single = closures.Leith(coefficient=jnp.float32(0.21))
    save(tmp_path / "single", single)
    with jax.enable_x64(True):
        assert load(tmp_path / "single").coefficient.dtype == jnp.float32
        double = closures.Leith(coefficient=jnp.float64(0.21))
        save(tmp_path / "double", double)
        assert eqx.tree_equal(load(tmp_path / "double"), double)
    with pytest.raises(SurrogateFileError, match="jax_enable_x64"):
        load(tmp_path / "double")
