"""The gradient of the rain of a whole run with respect to parameters of Kain-Fritsch.

`python benchmarks/rain_gradient.py --case mskf_scm_dynamo_train.nc [--days 6]` prints, for each
parameter, the derivative through the running column, with the scheme in the loop, and finite
differences with ever smaller steps, all in double precision.
"""

import argparse
import dataclasses

import jax
import jax.numpy as jnp

from closurax import datasets
from closurax.physics.column import AtmosphericColumn, PersistentConvection
from closurax.physics.column.kain_fritsch import MultiScaleKainFritsch

_PARAMETERS = ("entrainment", "fallout_rate", "trigger_coefficient")
_RELATIVE_STEPS = (1e-3, 1e-5, 1e-7, 1e-9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", required=True)
    parser.add_argument("--days", type=float, default=6.0)
    arguments = parser.parse_args()
    case = datasets.open_column_case(arguments.case)
    bare = AtmosphericColumn.from_case(case)
    state = bare.case_state(case)
    hours = min(round(arguments.days * 24), (case.sizes["time"] - 1) // 30)
    scheme = MultiScaleKainFritsch()

    def rain(values):
        changed = dict(zip(_PARAMETERS, values, strict=True))
        convection = PersistentConvection(dataclasses.replace(scheme, **changed))
        states, _ = bare.replace(convection=convection).trajectory(
            state, hours * 3600.0, save_every=3600.0, dt=120.0
        )
        return states.convective_precipitation[-1]

    values = jnp.asarray([getattr(scheme, name) for name in _PARAMETERS])
    run = jax.jit(rain)
    print(f"convective rain of {hours} hours: {float(run(values)):.6f} kg m-2")
    directions = jnp.eye(len(_PARAMETERS)) * values
    derivatives = jax.jit(jax.grad(rain))(values) * values
    for name, direction, derivative in zip(_PARAMETERS, directions, derivatives, strict=True):
        differences = [
            float(run(values + step * direction) - run(values - step * direction)) / (2 * step)
            for step in _RELATIVE_STEPS
        ]
        shown = ", ".join(
            f"{step:g}: {value:.6g}"
            for step, value in zip(_RELATIVE_STEPS, differences, strict=True)
        )
        print(
            f"{name}: derivative {float(derivative):.6g} per relative change; by steps of {shown}"
        )


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main()
