"""Gaussians where a density says, and quadratures that are exact for polynomials."""

import jax.numpy as jnp
import numpy as np
import pytest

from closurax.physics.errors import ClosuraxError
from closurax.physics.problems import AllenCahn, Burgers, FlowMixing, box_quadrature
from closurax.surrogates.fields import (
    EvolvedField,
    GaussianFeatures,
    PeriodicFeatures,
    ReflectedFeatures,
    VanishingFeatures,
)
from closurax.surrogates.training import Density
from closurax.surrogates.training.equal_mass_cells import equal_mass_cells


def test_centres_divide_a_line_into_equal_parts(x64):
    x = np.linspace(-1, 1, 201)
    density = Density((x,), 1 + 10 * np.exp(-50 * x**2), (True,))
    features = density.place(40, overlap=1.5)
    assert isinstance(features, PeriodicFeatures) and features.periods == (2.0,)
    gaussians = features.features
    centres, widths = (np.asarray(each)[:, 0] for each in (gaussians.centres, gaussians.widths))
    spacing = np.diff(centres)
    middle = (centres[1:] + centres[:-1]) / 2
    product = spacing * np.interp(middle, x, density.values)
    np.testing.assert_allclose(product, product.mean(), rtol=0.05)
    np.testing.assert_allclose(widths[1:], 1.5 * spacing, rtol=0.4)


def test_there_is_a_margin_where_walls_do_not_reflect(x64):
    features = Density.uniform(Burgers()).place(20, vanishing=(0,))
    assert isinstance(features, VanishingFeatures) and features.axes == (0,)
    centres = np.asarray(features.features.centres)[:, 0]
    assert centres.min() < -1 < 1 < centres.max()
    reflected = Density.uniform(Burgers()).place(20, vanishing=(0,), odd=True)
    assert isinstance(reflected, ReflectedFeatures)
    assert np.abs(np.asarray(reflected.features.centres)).max() < 1
    periodic = Density.uniform(AllenCahn()).place(20)
    assert np.abs(np.asarray(periodic.features.centres)).max() < 1


def test_centres_in_the_plane_follow_the_density(x64):
    axis = np.linspace(-4, 4, 41)
    values = np.where(axis[:, None] < 0, 4.0, 1.0) * np.ones(41)
    density = Density((axis, axis), values, (False, False))
    gaussians = density.place(150, overlap=1.5, seed=1)
    inside = np.asarray(gaussians.centres)
    inside = inside[(np.abs(inside) < 4).all(axis=1)]
    left = np.mean(inside[:, 0] < 0)
    assert 0.7 < left < 0.88
    widths = np.asarray(gaussians.widths)
    assert np.median(widths[np.asarray(gaussians.centres)[:, 0] > 0]) == pytest.approx(
        2 * np.median(widths[np.asarray(gaussians.centres)[:, 0] < 0]), rel=0.1
    )
    other = density.place(150, overlap=1.5, seed=2)
    assert not np.allclose(other.centres, gaussians.centres)


def test_a_quadrature_is_exact_for_polynomials():
    x = np.linspace(-4, 4, 41)
    density = Density((x, x), 0.1 + np.exp(-(x[:, None] ** 2) - x**2), (False, False))
    points, measure = density.quadrature(21)
    assert points.shape == (21 * 9, 2)
    assert measure.sum() == pytest.approx(64)
    found = measure @ (points[:, 0] ** 4 * points[:, 1] ** 2)
    assert found == pytest.approx(2 * 4**5 / 5 * 2 * 4**3 / 3)


def test_cells_hold_the_same_mass():
    def density(points):
        return 0.1 + np.exp(-np.sum(points**2, axis=1))

    low, high = equal_mass_cells(density, np.array([-4.0, -3.0]), np.array([4.0, 3.0]), 37)
    assert np.prod(high - low, axis=1).sum() == pytest.approx(48)
    masses = []
    for lower, upper in zip(low, high, strict=True):
        points, measure = box_quadrature(lower.tolist(), upper.tolist(), (12, 12))
        masses.append(measure @ density(points))
    np.testing.assert_allclose(masses, np.mean(masses), rtol=0.1)
    sides = high - low
    assert (sides.max(axis=1) / sides.min(axis=1)).max() < 4


def test_cells_divide_a_line_into_equal_parts():
    low, high = equal_mass_cells(lambda x: x[:, 0], np.zeros(1), np.ones(1), 5)
    np.testing.assert_allclose(np.sort(high[:, 0]), np.sqrt(np.arange(1, 6) / 5), atol=1e-3)
    np.testing.assert_allclose(np.sort(low[:, 0])[1:], np.sort(high[:, 0])[:-1])


def test_a_density_is_large_where_a_field_is_curved(x64):
    features = GaussianFeatures(jnp.asarray([[0.5, 0.5]]), jnp.full((1, 2), 0.3))
    weights = jnp.asarray([[[0.0]], [[1.0]]])
    field = EvolvedField(features, jnp.asarray([0.0, 4.0]), weights, jnp.zeros((2, 1, 1)))
    density = Density.of_curvature(FlowMixing(), field, 41, snapshots=3)
    place = np.unravel_index(np.argmax(density.values), density.values.shape)
    found = [axis[index] for axis, index in zip(density.axes, place, strict=True)]
    np.testing.assert_allclose(found, 0.5, atol=0.4)
    assert density.values.min() == pytest.approx(0.2, abs=0.01)


def test_too_few_gaussians_are_refused():
    with pytest.raises(ClosuraxError, match="`count` = 9"):
        Density.uniform(Burgers()).place(9)
