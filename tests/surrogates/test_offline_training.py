import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import xarray as xr

from closurax.datasets.batches import Batches
from closurax.datasets.normalisers import Standardiser
from closurax.physics.errors import ClosuraxError, DataError, SurrogateFileError
from closurax.physics.spectral import SpectralGrid
from closurax.surrogates import (
    ConvolutionalClosure,
    fit,
    mean_squared_error,
    restore_model,
    tendency_loss,
    trainable_arrays,
)

OPTIMISER = optax.adam(optax.cosine_decay_schedule(0.1, 240))


class Line(eqx.Module):
    slope: jax.Array
    offset: jax.Array
    normaliser: Standardiser

    def __call__(self, x):
        return (self.slope * self.normaliser.normalise(x[None])[0]) + self.offset


def line(slope=0.0):
    normaliser = Standardiser(jnp.array([0.5]), jnp.array([2.0]))
    return Line(jnp.float32(slope), jnp.float32(0.0), normaliser)


def points(n_samples, seed=0, noise=0.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n_samples).astype(np.float32)
    targets = 3 * (x - 0.5) / 2 + 1 + noise * rng.normal(size=n_samples)
    return {"inputs": x, "targets": targets.astype(np.float32)}


def fit_line(model=None, train=None, validation=None, **options):
    settings = {
        "loss": mean_squared_error,
        "optimiser": OPTIMISER,
        "epochs": 4,
        "batch_size": 8,
        "seed": 1,
        "progress": False,
    }
    return fit(
        model or line(),
        points(32) if train is None else train,
        points(11, seed=1) if validation is None else validation,
        **{**settings, **options},
    )


def test_recovers_a_line_and_records_its_history(tmp_path):
    initial = line()
    result = fit_line(initial, epochs=60, out=tmp_path)
    assert abs(float(result.best.slope) - 3) < 0.01
    assert abs(float(result.best.offset) - 1) < 0.01
    history = xr.load_dataset(tmp_path / "history.nc")
    xr.testing.assert_identical(history, result.history)
    assert history.sizes == {"epoch": 60}
    assert history["epoch"].values.tolist() == list(range(1, 61))
    assert history["validation_loss"][-1] < 1e-4 < history["validation_loss"][0]
    assert (np.diff(history["learning_time"]) > 0).all()
    # Donated buffers are the loop's own copies.
    assert float(initial.slope) == 0.0
    # The statistics of the normaliser are no parameters.
    assert eqx.tree_equal(result.last.normaliser, initial.normaliser)


def test_one_epoch_equals_a_plain_loop():
    result = fit_line(epochs=1)
    model, data = line(), points(32)
    parameters, frozen = eqx.partition(model, trainable_arrays(model))
    state, losses = OPTIMISER.init(parameters), []
    for indices in Batches(32, 8, 1).indices(1):
        batch = {name: jnp.asarray(array[indices]) for name, array in data.items()}
        loss = lambda p, batch=batch: mean_squared_error(eqx.combine(p, frozen), batch)  # noqa: E731
        value, gradient = jax.value_and_grad(loss)(parameters)
        with jax.numpy_dtype_promotion("standard"):
            updates, state = OPTIMISER.update(gradient, state, parameters)
        parameters = optax.apply_updates(parameters, updates)
        losses.append(float(value))
    np.testing.assert_allclose(float(result.last.slope), float(parameters.slope), rtol=1e-5)
    np.testing.assert_allclose(result.history["training_loss"][0], np.mean(losses), rtol=1e-5)
    validation = mean_squared_error(result.last, points(11, seed=1))
    np.testing.assert_allclose(result.history["validation_loss"][0], validation, rtol=1e-5)


def test_weight_decay_leaves_statistics_alone():
    result = fit_line(optimiser=optax.adamw(1e-2, weight_decay=0.5))
    assert eqx.tree_equal(result.last.normaliser, line().normaliser)


def test_trains_only_what_is_chosen():
    model = line(slope=0.5)
    spec = eqx.tree_at(lambda m: m.offset, jax.tree.map(lambda _: False, model), True)
    result = fit_line(model, trainable=spec)
    assert float(result.last.slope) == 0.5
    assert float(result.last.offset) != 0.0


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_resumed_training_is_bitwise_the_same(stop_after, tmp_path):
    whole = fit_line(out=tmp_path / "whole")
    fit_line(epochs=stop_after, out=tmp_path / "parts")
    resumed = fit_line(out=tmp_path / "parts", resume=True)
    for kind in ("best", "last"):
        assert eqx.tree_equal(getattr(resumed, kind), getattr(whole, kind))
        stored = restore_model(tmp_path / "parts" / f"{kind}.npz", line())
        assert eqx.tree_equal(stored, getattr(whole, kind))
    for name in ("training_loss", "validation_loss"):
        np.testing.assert_array_equal(resumed.history[name], whole.history[name])
    assert (np.diff(resumed.history["learning_time"]) > 0).all()


def test_refuses_to_resume_from_a_file_without_state(tmp_path):
    fit_line(epochs=1, out=tmp_path)
    (tmp_path / "best.npz").rename(tmp_path / "last.npz")
    with pytest.raises(SurrogateFileError, match="holds a model only"):
        fit_line(out=tmp_path, resume=True)


def test_resuming_a_finished_training_or_none(tmp_path):
    first = fit_line(out=tmp_path, resume=True)
    again = fit_line(out=tmp_path, resume=True)
    assert eqx.tree_equal(first.last, again.last)
    xr.testing.assert_identical(first.history, again.history)
    with pytest.raises(ClosuraxError, match="out"):
        fit_line(resume=True)


def test_early_stopping_keeps_the_best(tmp_path):
    # Validation data whose optimum the training passes on its way.
    x = points(16)["inputs"]
    validation = {"inputs": x, "targets": (1.5 * (x - 0.5) / 2 + 0.5).astype(np.float32)}
    options = {
        "validation": validation,
        "optimiser": optax.sgd(0.05),
        "epochs": 50,
        "patience": 3,
        "out": tmp_path,
    }
    result = fit_line(**options)
    losses = result.history["validation_loss"].values
    best = int(np.argmin(losses))
    assert 0 < best and len(losses) == best + 1 + 3 < 50
    assert result.history.attrs["best_epoch"] == best + 1
    np.testing.assert_allclose(
        float(mean_squared_error(result.best, validation)), losses[best], rtol=1e-5
    )
    assert float(mean_squared_error(result.last, validation)) > losses[best]
    resumed = fit_line(**options, resume=True)
    assert resumed.history.sizes["epoch"] == len(losses)
    assert eqx.tree_equal(resumed.best, result.best)


def test_non_finite_loss_stops_and_keeps_the_best(tmp_path):
    def breaks_at_large_slopes(model, batch):
        loss = mean_squared_error(model, batch)
        return jnp.where(model.slope > 1.0, jnp.nan, loss)

    options = {"loss": breaks_at_large_slopes, "optimiser": optax.sgd(0.05), "epochs": 50}
    with pytest.raises(ClosuraxError, match=r"training loss became nan at step \d of epoch \d+"):
        fit_line(**options, out=tmp_path, checkpoint_every=100)
    best = restore_model(tmp_path / "best.npz", line())
    assert 0.5 < float(best.slope) <= 1.0
    with pytest.raises(ClosuraxError, match="epoch 1: lower"):
        fit_line(line(slope=2.0), **options)


def test_non_finite_validation_loss_stops():
    def finite_for_batches(model, batch):
        loss = mean_squared_error(model, batch)
        return loss if batch["inputs"].shape[0] == 8 else loss / 0.0

    with pytest.raises(ClosuraxError, match="validation loss became inf after epoch 1"):
        fit_line(loss=finite_for_batches)


def nan_in(data):
    data["targets"][5] = np.nan
    return data


@pytest.mark.parametrize(
    "train, validation, said",
    [
        (nan_in(points(16)), points(8), "'targets' in `train` is NaN or infinite in sample 5"),
        (points(16), nan_in(points(8)), "'targets' in `validation` is NaN"),
        (points(16) | {"inputs": points(15)["inputs"]}, points(8), "numbers of samples"),
        (points(16), {"inputs": points(8)["inputs"]}, "`validation` \\['inputs'\\]"),
        (points(16), points(8) | {"inputs": np.zeros((8, 2), np.float32)}, "'inputs' has samples"),
        (points(16) | {"inputs": "x"}, points(8), "'inputs' in `train` is a str"),
        (points(0), points(8), "no samples"),
        ({}, {}, "no arrays"),
        (points(7), points(8), "batch_size"),
    ],
)
def test_refuses_bad_data_before_any_work(train, validation, said, tmp_path):
    with pytest.raises(DataError, match=said):
        fit_line(train=train, validation=validation, out=tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"seed": 2}, "another seed: 1 there, 2 now"),
        ({"batch_size": 4}, "another batch size"),
        ({"configuration": {"learning_rate": 0.1}}, "another configuration"),
        ({"train": points(32, seed=7)}, "another data"),
        ({"validation": points(11, seed=7)}, "another data"),
        ({"optimiser": optax.sgd(0.1)}, "does not fit the structure"),
    ],
)
def test_refuses_to_resume_another_training(changes, said, tmp_path):
    first = {"epochs": 1, "out": tmp_path, "configuration": {"learning_rate": 0.03}}
    fit_line(**first)
    before = (tmp_path / "last.npz").read_bytes()
    with pytest.raises(SurrogateFileError, match=said) as raised:
        fit_line(**{**first, "epochs": 2, "resume": True, **changes})
    assert "\n" not in str(raised.value)
    assert (tmp_path / "last.npz").read_bytes() == before


def test_refuses_to_resume_another_model_or_a_damaged_checkpoint(tmp_path):
    fit_line(epochs=1, out=tmp_path)
    other = eqx.tree_at(lambda m: m.slope, line(), jnp.zeros(1))
    with pytest.raises(SurrogateFileError, match="another model"):
        fit_line(other, out=tmp_path, resume=True)
    with pytest.raises(SurrogateFileError, match="slope"):
        restore_model(tmp_path / "best.npz", other)
    last = tmp_path / "last.npz"
    last.write_bytes(last.read_bytes()[:-40])
    with pytest.raises(SurrogateFileError, match="truncated"):
        fit_line(out=tmp_path, resume=True)


@pytest.mark.parametrize("option", ["epochs", "checkpoint_every", "patience"])
def test_refuses_settings_below_one(option):
    with pytest.raises(ClosuraxError, match=option):
        fit_line(**{option: 0})


def test_shows_losses_and_rate(capfd):
    fit_line(progress=True)
    shown = capfd.readouterr().err
    assert "validation=" in shown and "loss=" in shown and "samples/s" in shown


def test_learns_a_known_linear_operator(getkey):
    grid = SpectralGrid(16)
    vorticity = 6 * jax.random.normal(getkey(), (48, *grid.shape))
    vorticity = jax.vmap(lambda w: grid.to_physical(grid.truncate(grid.to_spectral(w))))(vorticity)
    neighbours = sum(jnp.roll(vorticity, shift, axis) for shift in (1, -1) for axis in (1, 2))
    fields = {
        "vorticity": np.asarray(vorticity),
        "subgrid_tendency": np.asarray(0.3 * (neighbours - 4 * vorticity)),
    }
    train = {name: field[:32] for name, field in fields.items()}
    validation = {name: field[32:] for name, field in fields.items()}
    closure = ConvolutionalClosure(
        depth=1,
        kernel_size=3,
        inputs=("vorticity",),
        input_normaliser=Standardiser.fit(train["vorticity"][:, None]),
        output_normaliser=Standardiser.fit(train["subgrid_tendency"][:, None]),
        key=getkey(),
    )
    variance = float(np.var(train["subgrid_tendency"]))
    loss = functools.partial(tendency_loss, grid=grid, variance=variance)
    schedule = optax.cosine_decay_schedule(0.05, 200)
    result = fit(
        closure, train, validation, loss=loss, optimiser=optax.adam(schedule), epochs=50,
        batch_size=8, seed=0, progress=False,
    )  # fmt: skip
    assert float(loss(result.best, validation)) < 1e-5
    assert float(loss(closure, validation)) > 0.1


def test_the_average_of_the_parameters_is_what_is_judged_and_returned(tmp_path):
    decay, epochs, steps = 0.9, 3, 12
    kept, parameters = [], line()
    plain = [fit_line(epochs=1, batch_size=32, out=None, optimiser=optax.sgd(0.05))]
    for epoch in range(1, steps + 1):
        plain.append(fit_line(epochs=epoch, batch_size=32, optimiser=optax.sgd(0.05)))
    slopes = [float(result.last.slope) for result in plain[1:]]
    mean = float(parameters.slope)
    for count, slope in enumerate(slopes):
        keep = min(decay, (1 + count) / (10 + count))
        mean = keep * mean + (1 - keep) * slope
        kept.append(mean)
    averaged = fit_line(epochs=steps, batch_size=32, optimiser=optax.sgd(0.05), average=decay)
    assert float(averaged.last.slope) == pytest.approx(kept[-1], rel=1e-5)
    assert kept[-1] != pytest.approx(slopes[-1], rel=1e-3)
    # Interrupted and resumed, the average goes on as well.
    options = {"batch_size": 32, "optimiser": optax.sgd(0.05), "average": decay, "out": tmp_path}
    fit_line(epochs=epochs, **options)
    resumed = fit_line(epochs=steps, resume=True, **options)
    assert float(resumed.last.slope) == float(averaged.last.slope)
    with pytest.raises(ClosuraxError, match="between 0 and 1"):
        fit_line(average=1.0)


def test_two_devices_train_what_one_trains():
    devices = jax.devices()
    assert len(devices) == 2
    network = eqx.nn.MLP(3, 2, 16, 2, key=jax.random.key(0))
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(64, 3)).astype(np.float32)
    data = {"inputs": inputs, "targets": np.sin(inputs[:, :2]) * inputs[:, 2:]}
    options = {"epochs": 5, "batch_size": 16, "optimiser": optax.adam(1e-2)}
    one = fit_line(network, data, data, **options)
    two = fit_line(network, data, data, devices=devices, **options)
    for ours, theirs in zip(
        jax.tree_util.tree_leaves(eqx.filter(one.last, eqx.is_array)),
        jax.tree_util.tree_leaves(eqx.filter(two.last, eqx.is_array)),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    with pytest.raises(ClosuraxError, match="multiple"):
        fit_line(batch_size=7, devices=devices)


def test_accumulated_gradients_are_those_of_a_larger_batch():
    """Gradients of parts of a batch are collected by `optax.MultiSteps`."""
    whole = fit_line(epochs=3, batch_size=32, optimiser=optax.sgd(0.1))
    accumulated = optax.MultiSteps(optax.sgd(0.1), every_k_schedule=4)
    parts = fit_line(epochs=3, batch_size=8, optimiser=accumulated.gradient_transformation())
    np.testing.assert_allclose(parts.last.slope, whole.last.slope, rtol=1e-5)
