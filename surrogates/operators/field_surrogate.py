from collections.abc import Sequence
from importlib.metadata import version

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from closurax.datasets.normalisers import Standardiser
from closurax.datasets.validation import check_variable
from closurax.physics.errors import ClosuraxError, DataError, GridMismatchError
from closurax.physics.scheme import Quantity

from .boundary import BoundaryLike
from .operator import AbstractOperator
from .resampled import Coarsening, Resampled


class FieldSurrogate(AbstractOperator):
    """A map from physical fields to physical fields: an operator between two normalisers.

    Each quantity is one channel. The operator computes in the precision of its arrays; fields
    are normalised, and come back, in their own.
    """

    operator: AbstractOperator
    inputs: tuple[Quantity, ...] = eqx.field(static=True)
    outputs: tuple[Quantity, ...] = eqx.field(static=True)
    input_normaliser: Standardiser
    output_normaliser: Standardiser
    in_channels: int = eqx.field(static=True)
    out_channels: int = eqx.field(static=True)

    def __init__(
        self,
        operator: AbstractOperator,
        inputs: Sequence[Quantity],
        outputs: Sequence[Quantity],
        input_normaliser: Standardiser,
        output_normaliser: Standardiser,
    ):
        """**Arguments:**

        - `operator`: between normalised fields.
        - `inputs`, `outputs`: the name and units of each channel.
        - `input_normaliser`, `output_normaliser`: with one value for each channel.

        Raises `ClosuraxError` unless the numbers of channels agree.
        """
        self.operator = operator
        self.inputs = tuple(Quantity(*quantity) for quantity in inputs)
        self.outputs = tuple(Quantity(*quantity) for quantity in outputs)
        self.input_normaliser, self.output_normaliser = input_normaliser, output_normaliser
        self.in_channels, self.out_channels = operator.in_channels, operator.out_channels
        _check("input", self.inputs, operator.in_channels, input_normaliser)
        _check("output", self.outputs, operator.out_channels, output_normaliser)

    @property
    def reads(self) -> tuple[Quantity, ...]:
        """The name and units of each channel of the input."""
        return self.inputs

    @property
    def returns(self) -> tuple[Quantity, ...]:
        """The name and units of each channel of the output."""
        return self.outputs

    def __call__(
        self, fields: Float[Array, "in_channels *space"]
    ) -> Float[Array, "out_channels *space"]:
        """The fields in the units of `outputs` for fields in the units of `inputs`.

        Raises `GridMismatchError` for another number of channels.
        """
        if fields.shape[0] != self.in_channels:
            raise GridMismatchError(
                f"This FieldSurrogate takes {self.in_channels} channels, "
                f"{[quantity.name for quantity in self.inputs]}, not fields of shape "
                f"{fields.shape}."
            )
        arrays = jtu.tree_leaves(eqx.filter(self.operator, eqx.is_inexact_array))
        precision = arrays[0].dtype if arrays else fields.dtype
        normalised = self.input_normaliser.normalise(fields).astype(precision)
        predicted = self.operator(normalised).astype(fields.dtype)
        return self.output_normaliser.denormalise(predicted)

    def resampled(
        self,
        shape: Sequence[int],
        boundary: BoundaryLike = "neumann",
        coarsening: Coarsening = "means",
    ) -> "FieldSurrogate":
        """This surrogate, evaluated on a grid of `shape` cells for fields on any grid.

        The arguments are those of `Resampled`, for the physical fields.
        """
        return FieldSurrogate(
            Resampled(self, shape, boundary, coarsening),
            self.inputs,
            self.outputs,
            _identity(self.in_channels),
            _identity(self.out_channels),
        )

    def predict(
        self, dataset: xr.Dataset, *, sample: str = "sample", chunk: int = 64
    ) -> xr.Dataset:
        """The outputs, with names, units and coordinates, for all samples in a Dataset.

        **Arguments:**

        - `dataset`: holds the inputs, all with the same dims: those of space, with or without
            `sample` before them.
        - `sample`: the dim of the samples.
        - `chunk`: how many samples are read and evaluated at once.

        Raises `DataError` if an input is missing, has other units or dims, or there are no
        samples.
        """
        source = "the Dataset to predict from"
        first = self.inputs[0].name
        known = first in dataset.variables
        dims = tuple(map(str, dataset[first].dims)) if known else ()
        for quantity in self.inputs:
            check_variable(dataset, source, quantity.name, dims, quantity.units)
        if chunk < 1:
            raise DataError(f"`chunk` must be at least 1 sample, not {chunk}.")
        has_samples = sample in dims
        if has_samples and dims[0] != sample:
            raise DataError(f"{first!r} in {source} has dims {dims}; put {sample!r} first.")
        chosen = dataset[[quantity.name for quantity in self.inputs]]
        samples = chosen if has_samples else chosen.expand_dims(sample)
        values = self._evaluate(samples, sample, chunk)
        if not has_samples:
            values = values[0]
        channel = 1 if has_samples else 0
        variables = {
            quantity.name: (
                dims,
                np.take(values, index, axis=channel),
                {"units": quantity.units, "long_name": quantity.name.replace("_", " ")},
            )
            for index, quantity in enumerate(self.outputs)
        }
        attrs = {
            "Conventions": "CF-1.11",
            "source": f"closurax {version('closurax')}, {type(self.operator).__name__}",
        }
        return xr.Dataset(variables, chosen.coords, attrs)

    def _evaluate(self, samples: xr.Dataset, sample: str, chunk: int) -> np.ndarray:
        count = samples.sizes[sample]
        if count == 0:
            raise DataError(f"The Dataset to predict from holds no samples: {sample!r} is empty.")
        chunk = min(chunk, count)
        parts = []
        for start in range(0, count, chunk):
            part = samples.isel({sample: slice(start, start + chunk)})
            fields = np.stack([part[quantity.name].values for quantity in self.inputs], axis=1)
            # Full chunks only, so that one compilation serves them all.
            missing = chunk - len(fields)
            full = np.concatenate([fields, np.repeat(fields[-1:], missing, axis=0)])
            parts.append(np.asarray(_over_samples(self, jnp.asarray(full)))[: len(fields)])
        return np.concatenate(parts)


def _identity(channels: int) -> Standardiser:
    return Standardiser(jnp.zeros(channels), jnp.ones(channels))


@eqx.filter_jit
def _over_samples(surrogate: FieldSurrogate, fields: Array) -> Array:
    return jax.vmap(surrogate)(fields)


def _check(
    side: str, quantities: tuple[Quantity, ...], channels: int, normaliser: Standardiser
) -> None:
    names = [quantity.name for quantity in quantities]
    if len(names) != channels or len(set(names)) < len(names):
        raise ClosuraxError(
            f"The operator has {channels} {side} channels, but `{side}s` are {names}; name each "
            "channel once."
        )
    if normaliser.mean.shape != (channels,):
        raise ClosuraxError(
            f"`{side}_normaliser` is for an array of {normaliser.mean.shape} channels, but "
            f"`{side}s` are {names}."
        )
