"""Does the small default network lose anything against the ten layers of Guan et al. (2022)?

Trains both on the shipped pairs, as `closurax run subgrid-turbulence` does, and scores them on
the block of time that neither has seen. The ten layers take about a quarter of an hour:

    python benchmarks/network_size.py --write
"""

import argparse
import time
from pathlib import Path

import jax
import numpy as np
import optax

from closurax import datasets, surrogates
from closurax.physics.coupling import Sum
from closurax.physics.spectral import SpectralGrid

TABLE = Path(__file__).parents[1] / "docs" / "generated" / "network_size.md"
NETWORKS = {"4 layers of 16": (16, 4, "gelu"), "10 layers of 64 (Guan et al.)": (64, 10, "relu")}
EPOCHS = {"4 layers of 16": 60, "10 layers of 64 (Guan et al.)": 15}


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
    for name, (width, depth, activation) in NETWORKS.items():
        network = surrogates.ConvolutionalClosure(
            width,
            depth,
            5,
            activation=activation,
            input_normaliser=datasets.Standardiser.fit(fields),
            output_normaliser=datasets.Standardiser.fit(target[:, None]),
            key=jax.random.key(arguments.seed),
        )
        steps = EPOCHS[name] * (len(target) // 8)
        rate = optax.cosine_decay_schedule(2e-3 if width < 64 else 5e-4, steps)
        start = time.perf_counter()
        fitted = surrogates.fit(
            Sum(linear, network),
            arrays(train),
            arrays(validation),
            loss=loss,
            optimiser=optax.adamw(rate, weight_decay=1e-4),
            epochs=EPOCHS[name],
            batch_size=8,
            seed=arguments.seed,
        )
        minutes = (time.perf_counter() - start) / 60
        scores = surrogates.a_priori_scores(fitted.best, arrays(test), grid)
        r2, correlation = float(scores["r2"].mean()), float(scores["correlation"].mean())
        leaves = jax.tree_util.tree_leaves(network.layers)
        parameters = sum(leaf.size for leaf in leaves)
        rows.append(
            f"| {name} | {parameters:,} | {EPOCHS[name]} | {minutes:.1f} | {correlation:.3f} "
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
