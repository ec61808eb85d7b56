"""Calibration without derivatives: the constants of a scheme from what a simulation does."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float
from tqdm import tqdm

from closurax.physics.errors import ClosuraxError


class Calibration(NamedTuple):
    """The constants, how uncertain they are, and the ensemble of every iteration."""

    mean: Float[np.ndarray, " parameter"]
    covariance: Float[np.ndarray, "parameter parameter"]
    history: xr.Dataset


def ensemble_kalman_inversion(
    simulate: Callable[[Float[np.ndarray, "member parameter"]], Float[np.ndarray, "member datum"]],
    *,
    prior_mean: Float[np.ndarray, " parameter"],
    prior_covariance: Float[np.ndarray, "parameter parameter"],
    data: Float[np.ndarray, " datum"],
    data_covariance: Float[np.ndarray, "datum datum"],
    members: int,
    iterations: int,
    seed: int,
    progress: bool = True,
) -> Calibration:
    r"""The parameters whose simulations fit noisy data, by an iterated ensemble Kalman update.

    $$\theta_j \leftarrow \theta_j + C_{\theta g} (C_{gg} + n \Gamma)^{-1}
    (y + \sqrt n\, \eta_j - g(\theta_j)), \qquad \eta_j \sim N(0, \Gamma)$$

    in $n$ iterations, with the covariances $C$ of the ensemble. For a linear simulation and many
    members the last ensemble samples the posterior distribution; in general it comes close to
    the best fit as long as the simulation is smooth on the scale of the ensemble. The noise of
    chaotic statistics belongs into the covariance of the data.

    **Arguments:**

    - `simulate`: the data that the parameters of all members lead to; rows that are not finite
        mark members whose simulation failed.
    - `prior_mean`, `prior_covariance`: of the parameters; take logarithms of those that must be
        positive.
    - `data`, `data_covariance`: what the simulation should give.
    - `members`: of the ensemble, more than the number of parameters.
    - `iterations`: $n$; the update is split into as many.
    - `seed`: of the ensemble and the perturbations.

    Members whose simulation fails are replaced by draws from the normal distribution of the
    others.

    Raises `ClosuraxError` for shapes that do not fit, before any simulation, or when fewer
    members survive than there are parameters plus one.

    ??? cite "References"
        Iglesias, Law and Stuart 2013, Inverse Problems 29, 045001. Emerick and Reynolds 2013,
        Computers & Geosciences 55, 3 (the split into iterations).
    """
    prior_mean, data = np.asarray(prior_mean, float), np.asarray(data, float)
    _check(prior_mean, prior_covariance, data, data_covariance, members, iterations)
    rng = np.random.default_rng(seed)
    parameters = rng.multivariate_normal(prior_mean, prior_covariance, members)
    ensembles, misfits = [parameters], []
    precision = np.linalg.inv(data_covariance)
    for _ in tqdm(range(iterations), desc="calibrating", disable=not progress):
        results = np.asarray(simulate(parameters), float)
        if results.shape != (members, data.size):
            raise ClosuraxError(
                f"`simulate` returned shape {results.shape}, expected {(members, data.size)}."
            )
        parameters, results = _without_failures(parameters, results, rng)
        difference = results - data
        misfits.append(
            float(np.mean(np.einsum("jd,de,je->j", difference, precision, difference))) / data.size
        )
        parameters = _updated(parameters, results, data, data_covariance * iterations, rng)
        ensembles.append(parameters)
    history = xr.Dataset(
        {
            "parameters": (
                ("iteration", "member", "parameter"),
                np.stack(ensembles),
                {"units": "1", "long_name": "parameters of the members"},
            ),
            "misfit": (
                "iteration",
                [*misfits, np.nan],
                {"units": "1", "long_name": "mean over members of the normalised squared misfit"},
            ),
        },
        {"iteration": np.arange(iterations + 1)},
        {"seed": seed},
    )
    covariance = np.atleast_2d(np.cov(parameters, rowvar=False))
    return Calibration(parameters.mean(0), covariance, history)


def _updated(parameters, results, data, covariance, rng) -> Float[np.ndarray, "member parameter"]:
    members = len(parameters)
    of_parameters, of_results = parameters - parameters.mean(0), results - results.mean(0)
    cross = of_parameters.T @ of_results / (members - 1)
    within = of_results.T @ of_results / (members - 1)
    perturbed = data + rng.multivariate_normal(np.zeros(data.size), covariance, members)
    return parameters + np.linalg.solve(within + covariance, (perturbed - results).T).T @ cross.T


def _without_failures(parameters, results, rng):
    """Failed members replaced by draws around the others, in parameters and results together."""
    survives = np.isfinite(results).all(1)
    if survives.all():
        return parameters, results
    if survives.sum() < parameters.shape[1] + 1:
        raise ClosuraxError(
            f"Only {survives.sum()} of {len(parameters)} simulations stayed finite: narrow the "
            "prior to stable parameters, or take a smaller time step."
        )
    both = np.hstack([parameters, results])
    good = both[survives]
    weights = rng.standard_normal((int((~survives).sum()), len(good))) / np.sqrt(len(good) - 1)
    both[~survives] = good.mean(0) + weights @ (good - good.mean(0))
    return both[:, : parameters.shape[1]], both[:, parameters.shape[1] :]


def _check(prior_mean, prior_covariance, data, data_covariance, members, iterations) -> None:
    for name, covariance, size in (
        ("prior_covariance", prior_covariance, prior_mean.size),
        ("data_covariance", data_covariance, data.size),
    ):
        if np.shape(covariance) != (size, size):
            raise ClosuraxError(
                f"`{name}` has shape {np.shape(covariance)}, expected {(size, size)}."
            )
    if members <= prior_mean.size:
        raise ClosuraxError(
            f"`members` = {members} cannot span {prior_mean.size} parameters; take more."
        )
    if iterations < 1:
        raise ClosuraxError(f"`iterations` must be at least 1, not {iterations}.")
