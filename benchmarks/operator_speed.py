"""MgNO here beside the same network in plain torch and foundax: inference and a training step.

    python benchmarks/operator_speed.py --write

with torch installed, and foundax if that is to be timed too.
"""

import argparse
import importlib.util
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from mgno_torch import TorchMgNO
from timing import interleaved_medians

from closurax.surrogates.operators import MgNO

_BATCH = 8
TABLE = Path(__file__).parents[1] / "docs" / "generated" / "operator_speed.md"


def networks(size: int) -> dict:
    """One and the same architecture: 24 channels, 5 layers, 6 levels."""
    key = jax.random.key(0)
    built = {
        "closurax released": MgNO(boundary="zero", layout="released", key=key),
        "closurax cells": MgNO(boundary="dirichlet", layout="cells", key=key),
    }
    if importlib.util.find_spec("foundax"):
        from foundax import mgno2d

        built["foundax"] = ChannelsLast(mgno2d((size, size), num_channel_f=1, key=key))
    return built


class ChannelsLast(eqx.Module):
    """A network of fields with their channels last, for fields with their channels first."""

    network: eqx.Module

    def __call__(self, fields):
        return jnp.moveaxis(self.network(jnp.moveaxis(fields, 0, -1)), -1, 0)


def candidates(model, size: int):
    """Functions that run one inference or training step each, and the seconds to compile."""
    fields = np.random.default_rng(0).standard_normal((_BATCH, 1, size, size)).astype("f4")
    targets = np.random.default_rng(1).standard_normal(fields.shape).astype("f4")
    optimiser = optax.adam(1e-3)
    parameters, static = eqx.partition(model, eqx.is_inexact_array)

    def loss(parameters, x, y):
        errors = jax.vmap(eqx.combine(parameters, static))(x) - y
        return jnp.mean(jnp.linalg.norm(errors.reshape(_BATCH, -1), axis=1))

    @jax.jit
    def infer(parameters, x):
        return jax.vmap(eqx.combine(parameters, static))(x)

    @jax.jit
    def step(state, x, y):
        parameters, moments = state
        gradient = jax.grad(loss)(parameters, x, y)
        updates, moments = optimiser.update(gradient, moments)
        return eqx.apply_updates(parameters, updates), moments

    x, y = jnp.asarray(fields), jnp.asarray(targets)
    state = (parameters, optimiser.init(parameters))
    started = time.perf_counter()
    compiled = step.lower(state, x, y).compile()
    seconds = time.perf_counter() - started
    return {"infer": lambda: infer(parameters, x), "step": lambda: compiled(state, x, y)}, seconds


def torch_candidates(size: int):
    fields = np.random.default_rng(0).standard_normal((_BATCH, 1, size, size)).astype("f4")
    targets = np.random.default_rng(1).standard_normal(fields.shape).astype("f4")
    x, y = torch.from_numpy(fields), torch.from_numpy(targets)
    model = TorchMgNO()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)

    def infer():
        with torch.no_grad():
            return model(x).numpy()

    def step():
        optimiser.zero_grad()
        loss = (model(x) - y).flatten(1).norm(dim=1).mean()
        loss.backward()
        optimiser.step()
        return 0

    return {"infer": infer, "step": step}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grids", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--write", action="store_true", help=f"write {TABLE}")
    arguments = parser.parse_args()
    lines = [
        "| grid | network | inference, ms | of torch's | training step, ms | of torch's "
        "| compilation, s |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for size in arguments.grids:
        runs, compilation = {"torch": torch_candidates(size)}, {}
        for name, model in networks(size).items():
            runs[name], compilation[name] = candidates(model, size)
        medians = {
            kind: interleaved_medians(
                {name: run[kind] for name, run in runs.items()}, arguments.rounds
            )
            for kind in ("infer", "step")
        }
        for name in runs:
            cells = [f"{size} x {size}", name]
            for seconds in medians.values():
                cells += [f"{1e3 * seconds[name]:.0f}", f"{seconds[name] / seconds['torch']:.2f}"]
            cells.append(f"{compilation[name]:.1f}" if name in compilation else "")
            lines.append(f"| {' | '.join(cells)} |")
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.write:
        TABLE.write_text(text)


if __name__ == "__main__":
    main()
