import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from closurax.datasets.normalisers import Standardiser
from closurax.physics.errors import ClosuraxError, DataError, GridMismatchError
from closurax.physics.scheme import Quantity
from closurax.surrogates import load, read_header, save
from closurax.surrogates.operators import FNO, AbstractOperator, FieldSurrogate, MgNO, UNet

INPUTS = (Quantity("permeability", "m2"), Quantity("source", "Pa s-1"))
OUTPUTS = (Quantity("pressure", "Pa"),)
INPUT_NORMALISER = Standardiser(jnp.asarray([7.0, 0.5]), jnp.asarray([4.0, 0.1]))
OUTPUT_NORMALISER = Standardiser(jnp.asarray([3.0]), jnp.asarray([200.0]))


class Total(AbstractOperator):
    """The sum over the channels."""

    in_channels: int = eqx.field(static=True, default=2)
    out_channels: int = eqx.field(static=True, default=1)

    def __call__(self, fields):
        return jnp.sum(fields, axis=0, keepdims=True)


def surrogate(operator=None):
    operator = operator or FNO(2, 1, 3, 1, modes=2, projection=4, key=jax.random.key(7))
    return FieldSurrogate(operator, INPUTS, OUTPUTS, INPUT_NORMALISER, OUTPUT_NORMALISER)


def dataset(samples=5, shape=(6, 4)):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, samples, *shape)).astype(np.float32)
    dims = ("sample", "x", "y")
    return xr.Dataset(
        {
            "permeability": (dims, 7 + 4 * values[0], {"units": "m2"}),
            "source": (dims, values[1], {"units": "Pa s-1"}),
            "unrelated": (("other",), np.arange(3.0)),
        },
        {"x": ("x", np.arange(shape[0]) / shape[0], {"units": "m"}), "sample": range(samples)},
    )


def stacked(data, index):
    return jnp.stack([jnp.asarray(data[name].values[index]) for name, _ in INPUTS])


def test_normalises_and_denormalises(getkey):
    fields = jax.random.normal(getkey(), (2, 4, 3))
    expected = ((fields[0] - 7) / 4 + (fields[1] - 0.5) / 0.1) * 200 + 3
    np.testing.assert_allclose(surrogate(Total())(fields)[0], expected, rtol=1e-4, atol=1e-2)


def test_reads_and_returns():
    assert surrogate().reads == INPUTS and surrogate().returns == OUTPUTS
    assert (surrogate().in_channels, surrogate().out_channels) == (2, 1)


def test_single_precision_operator_in_double_precision_fields(getkey):
    single = surrogate()
    fields = np.asarray(jax.random.normal(getkey(), (2, 5, 4)), float)
    expected = single(jnp.asarray(fields, jnp.float32))
    # A large mean is taken off before the precision of the fields is lost.
    mean = jnp.asarray([2.0**20, -(2.0**20)])
    shifted = eqx.tree_at(lambda s: s.input_normaliser.mean, single, mean)
    with jax.enable_x64(True):
        assert single.operator.lift.kernel.dtype == jnp.float32
        moved = fields - [[[7.0]], [[0.5]]] + np.asarray(mean, float)[:, None, None]
        result = shifted(jnp.asarray(moved))
        assert result.dtype == jnp.float64
        result = np.asarray(result)
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-2)


def test_gradients_leave_the_statistics_alone(getkey):
    @eqx.filter_jit
    @eqx.filter_grad
    def gradient(model, fields):
        return jnp.sum(model(fields) ** 2)

    slope = gradient(surrogate(), jax.random.normal(getkey(), (2, 5, 4)))
    assert not jnp.any(slope.input_normaliser.scale) and not jnp.any(slope.output_normaliser.mean)
    assert jnp.any(slope.operator.lift.kernel != 0)


@pytest.mark.parametrize("network", [FNO, MgNO, UNet])
def test_gradients_in_the_fields_equal_finite_differences(x64, getkey, network):
    options = {
        FNO: {"width": 3, "depth": 1, "modes": 2, "projection": 4},
        MgNO: {"width": 3, "depth": 1, "before": (1, 1)},
        UNet: {"width": 3, "levels": 2, "convolutions": 1},
    }
    model = surrogate(network(2, 1, **options[network], key=getkey()))
    fields = 7 + jax.random.normal(getkey(), (2, 8, 12))
    observed, direction = jax.random.normal(getkey(), (2, *fields.shape))

    @jax.jit
    def misfit(fields):
        return jnp.sum((model(fields)[0, ::2, ::3] - 200 * observed[0, ::2, ::3]) ** 2)

    step = 1e-5
    difference = misfit(fields + step * direction) - misfit(fields - step * direction)
    slope = jax.jit(jax.grad(misfit))(fields)
    np.testing.assert_allclose(jnp.vdot(slope, direction), difference / (2 * step), rtol=1e-6)


@pytest.mark.parametrize("chunk", [2, 5, 64])
def test_predict_labels_and_batches(chunk):
    data = dataset()
    data["permeability"].attrs["units"] = "m^2"
    result = surrogate().predict(data, chunk=chunk)
    assert set(result.data_vars) == {"pressure"}
    pressure = result["pressure"]
    assert pressure.dims == ("sample", "x", "y") and pressure.attrs["units"] == "Pa"
    assert pressure.dtype == np.float32
    assert result["x"].attrs["units"] == "m" and "closurax" in result.attrs["source"]
    np.testing.assert_array_equal(result["sample"], data["sample"])
    expected = np.stack([surrogate()(stacked(data, i))[0] for i in range(5)])
    np.testing.assert_allclose(pressure.values, expected, rtol=1e-4, atol=1e-3)


def test_predict_takes_other_names_and_a_single_sample():
    data = dataset()
    whole = surrogate().predict(data)["pressure"]
    renamed = surrogate().predict(data.rename(sample="member"), sample="member")["pressure"]
    np.testing.assert_array_equal(renamed.values, whole.values)
    one = surrogate().predict(data.isel(sample=2))["pressure"]
    assert one.dims == ("x", "y") and int(one["sample"]) == 2
    np.testing.assert_allclose(one.values, whole.values[2], rtol=1e-5, atol=1e-3)


def test_predict_reads_chunk_by_chunk(tmp_path):
    data = dataset()
    data.to_netcdf(tmp_path / "data.nc")
    with xr.open_dataset(tmp_path / "data.nc", cache=False) as lazy:
        result = surrogate().predict(lazy, chunk=2)
        assert not lazy["source"].variable._in_memory
    whole = surrogate().predict(data)
    np.testing.assert_allclose(result["pressure"], whole["pressure"], rtol=1e-5, atol=1e-3)


def renamed(data):
    return data.rename(source="sink")


def other_units(data):
    data["source"].attrs["units"] = "hPa s-1"
    return data


def integers(data):
    return data.assign(source=data["source"].astype(int))


def sample_last(data):
    return data.transpose("x", "y", "sample", ...)


def other_dims(data):
    return data.assign(source=data["source"].isel(y=0))


def none(data):
    return data.isel(sample=slice(0, 0))


@pytest.mark.parametrize(
    "change, said",
    [
        (renamed, "no variable 'source'"),
        (other_units, "'hPa s-1', expected 'Pa s-1'"),
        (integers, "floating-point"),
        (sample_last, "put 'sample' first"),
        (other_dims, "expected"),
        (none, "no samples"),
    ],
)
def test_predict_refuses(change, said):
    with pytest.raises(DataError, match=said):
        surrogate().predict(change(dataset()))


def test_predict_refuses_without_the_first_variable_and_with_empty_chunks():
    with pytest.raises(DataError, match="no variable 'permeability'"):
        surrogate().predict(dataset().drop_vars("permeability"))
    with pytest.raises(DataError, match="chunk"):
        surrogate().predict(dataset(), chunk=0)


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"inputs": INPUTS[:1]}, "2 input channels"),
        ({"inputs": INPUTS[:1] * 2}, "each channel once"),
        ({"outputs": INPUTS}, "1 output channels"),
        ({"input_normaliser": OUTPUT_NORMALISER}, "input_normaliser"),
        ({"output_normaliser": INPUT_NORMALISER}, "output_normaliser"),
    ],
)
def test_refuses(arguments, said):
    fitting = {
        "operator": Total(),
        "inputs": INPUTS,
        "outputs": OUTPUTS,
        "input_normaliser": INPUT_NORMALISER,
        "output_normaliser": OUTPUT_NORMALISER,
    }
    with pytest.raises(ClosuraxError, match=said):
        FieldSurrogate(**{**fitting, **arguments})


def test_refuses_other_fields():
    with pytest.raises(GridMismatchError, match="2 channels"):
        surrogate(Total())(jnp.zeros((3, 4, 4)))


def test_loaded_surrogate_predicts_like_the_saved_one(tmp_path):
    save(tmp_path / "surrogate", surrogate(), provenance={"epochs": 12})
    header = read_header(tmp_path / "surrogate")
    assert header["reads"] == [["permeability", "m2"], ["source", "Pa s-1"]]
    assert header["returns"] == [["pressure", "Pa"]]
    assert len(header["normalisation"]) == 4
    loaded = load(tmp_path / "surrogate")
    xr.testing.assert_identical(loaded.predict(dataset()), surrogate().predict(dataset()))


def test_resampled_is_the_surrogate_on_its_own_grid_in_physical_units(getkey):
    """Where the normalised field is not zero on the sides, the physical one is."""

    class Zero(AbstractOperator):
        in_channels: int = 2
        out_channels: int = 1

        def __call__(self, fields):
            return jnp.full((1, *fields.shape[1:]), -3.0 / 200.0)

    resampled = surrogate(Zero()).resampled((4, 6), "dirichlet", "sub-grids")
    finer = stacked(dataset(shape=(8, 12)), 0)
    np.testing.assert_allclose(resampled(finer), np.zeros((1, 8, 12)), atol=1e-6)
    assert (resampled.reads, resampled.returns) == (INPUTS, OUTPUTS)
    own = stacked(dataset(shape=(4, 6)), 0)
    trained = surrogate()
    same = trained.resampled((4, 6))(own)
    np.testing.assert_allclose(same, trained(own), rtol=1e-5)


def test_a_resampled_surrogate_is_saved_and_loaded(tmp_path):
    resampled = surrogate().resampled((6, 4), "dirichlet", "sub-grids")
    save(tmp_path / "s.eqx", resampled)
    finer = dataset(shape=(12, 8))
    xr.testing.assert_equal(load(tmp_path / "s.eqx").predict(finer), resampled.predict(finer))
