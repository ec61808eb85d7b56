"""A network in the place of the Kain-Fritsch scheme: `python couple_convection.py [network.eqx]`.

Without a file it trains a small one first, on columns around the soundings that ship.
"""

import sys

import jax
import optax

from closurax import datasets, surrogates
from closurax.physics.column import AtmosphericColumn, PersistentConvection
from closurax.physics.column.kain_fritsch import MultiScaleKainFritsch
from closurax.surrogates import columns

DAYS = 0.75


def train(scheme):
    parts = datasets.split_soundings(datasets.sars_soundings(), (0.9, 0.1), seed=0)
    drawn = [
        datasets.draw_columns(part, datasets.ColumnRecipe(), count, seed)
        for seed, (part, count) in enumerate(zip(parts, (3000, 300), strict=True))
    ]
    features = columns.ParcelFeatures.fit(drawn[0])
    learn, check = (
        columns.training_columns(features, inputs, datasets.label_columns(scheme, inputs))
        for inputs in drawn
    )
    mass = learn["inputs"]["air_density"] * learn["inputs"]["layer_thickness"]
    scaling = columns.TendencyScaling.fit(learn["targets"], learn["features"].timescale, mass)
    sizes = (features.levels, features.channels, features.scalars)
    network = columns.DenseNetwork(*sizes, 128, 2, "relu", key=jax.random.key(0))
    untrained = columns.ConvectionNetwork(features, network, scaling)
    options = dict(optimiser=optax.adamw(2e-3), epochs=15, batch_size=128, seed=0)
    return surrogates.fit(untrained, learn, check, loss=columns.convection_loss, **options).best


scheme = MultiScaleKainFritsch()
network = surrogates.load(sys.argv[1]) if len(sys.argv) > 1 else train(scheme)
case = datasets.forced_sounding_case(datasets.weisman_klemp(), days=DAYS)
column = AtmosphericColumn.from_case(case)
for name, convection in {
    "no convection": None,
    "Kain-Fritsch": PersistentConvection(scheme),
    "learned": PersistentConvection(network),
}.items():
    model = column.replace(convection=convection)
    run = model.run(model.case_state(case), DAYS * 86400, save_every=3600.0, dt=120.0)
    rain, water = (run[n].values[-1] for n in ("convective_precipitation", "precipitable_water"))
    print(f"{name:14}  {rain:6.1f} mm of rain, {water:5.1f} kg m-2 of water in the column")
