"""Does the small default network lose anything against the ten layers of Guan et al. (2022)?

Trains them on the shipped pairs, as `closurax run subgrid-turbulence` does, and scores them on
the block of time that none has seen. The ten layers take about ten minutes:

    python benchmarks/network_size.py --write
"""

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import optax

from closurax import datasets, surrogates
from closurax.physics.coupling import Sum
from closurax.physics.spectral import SpectralGrid

TABLE = Path(__file__).parents[1] / "docs" / "generated" / "network_size.md"


class Setup(NamedTuple):
    """A network and how it is trained."""

    width: int
    depth: int
    activation: str
    epochs: int
    batch_size: int
    learning_rate: float


SETUPS = {
    "4 layers of 16, as shipped": Setup(16, 4, "relu", 40, 16, 2e-3),
    "4 layers of 16, trained longer": Setup(16, 4, "gelu", 60, 8, 2e-3),
    "10 layers of 64 (Guan et al.)": Setup(64, 10, "relu", 15, 8, 5e-4),
}


def arrays(pairs):
    return {name: pairs[name].values for name in ("vorticity", "subgrid_tendency")}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {TABLE}")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    grid = SpectralGrid(64)
    split = datasets.split_by_time_block(datasets.training_pairs(), (0.7, 0.15, 0.15))
    train, validation, test = split
    fields = np.stack([train["vorticity"].values, train["streamfunction"].values], 1)
    target = train["subgrid_tendency"].values
    linear = surrogates.SpectralEddyViscosity.fit(train["vorticity"].values, target, grid)
    variance = float(np.var(target.astype(float)))

    def loss(scheme, batch):
        return surrogates.tendency_loss(scheme, batch, grid=grid, variance=variance)

    rows = []
    for name, setup in SETUPS.items():
        network = surrogates.ConvolutionalClosure(
            setup.width,
            setup.depth,
            5,
            activation=setup.activation,
            input_normaliser=datasets.Standardiser.fit(fields),
            output_normaliser=datasets.Standardiser.fit(target[:, None]),
            key=jax.random.key(arguments.seed),
        )
        steps = setup.epochs * (len(target) // setup.batch_size)
        start = time.perf_counter()
        fitted = surrogates.fit(
            Sum(linear, network),
            arrays(train),
            arrays(validation),
            loss=loss,
            optimiser=optax.adam(optax.cosine_decay_schedule(setup.learning_rate, steps)),
            epochs=setup.epochs,
            batch_size=setup.batch_size,
            seed=arguments.seed,
        )
        minutes = (time.perf_counter() - start) / 60
        scores = surrogates.a_priori_scores(fitted.best, arrays(test), grid)
        r2, correlation = float(scores["r2"].mean()), float(scores["correlation"].mean())
        leaves = jax.tree_util.tree_leaves(network.layers)
        parameters = sum(leaf.size for leaf in leaves)
        rows.append(
            f"| {name} | {parameters:,} | {setup.epochs} | {minutes:.1f} | {correlation:.3f} "
            f"| {r2:.3f} |\n"
        )
        print(rows[-1], end="", flush=True)
    header = (
        "| network (5 x 5) | parameters | epochs | minutes | correlation | R² |\n"
        "|---|---|---|---|---|---|\n"
    )
    if arguments.write:
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(header + "".join(rows) + f"\nOne seed ({arguments.seed}).\n")


if __name__ == "__main__":
    main()
