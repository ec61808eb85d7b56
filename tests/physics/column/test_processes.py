import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

from closurax.physics.column import (
    BoundaryLayerDiffusion,
    BulkSurface,
    CloudCondensation,
    ColumnLevels,
    ColumnState,
    Fallout,
    GeostrophicForcing,
    Gust,
    ImplicitDiffusion,
    PrescribedSurface,
    PrescribedTendencies,
    PrescribedWind,
    RainOut,
    Relaxation,
    SurfaceConditions,
    SurfaceFluxes,
    TimeSeries,
    VapourFloor,
    VerticalAdvection,
    VerticalMotion,
    constant,
)
from closurax.physics.column.air import make_air
from closurax.physics.column.column_state import AMOUNT_NAMES, PROFILE_NAMES
from closurax.physics.errors import DataError

COUNT = 20
INTERFACES = np.linspace(1e5, 2e4, COUNT + 1)
PRESSURE = 0.5 * (INTERFACES[1:] + INTERFACES[:-1])


def saturation(pressure, temperature):
    vapour_pressure = 611.2 * np.exp(17.67 * (temperature - 273.15) / (temperature - 29.65))
    return 0.622 * vapour_pressure / (pressure - vapour_pressure)


def make_state(humidity=0.7, **changes):
    temperature = 300.0 * (PRESSURE / 1e5) ** 0.2
    vapour = humidity * saturation(PRESSURE, temperature)
    profiles = dict.fromkeys(PROFILE_NAMES, np.zeros(COUNT))
    profiles |= {"temperature": temperature, "vapour": vapour}
    profiles |= {"eastward_wind": np.linspace(3, 20, COUNT), "northward_wind": np.full(COUNT, 2.0)}
    amounts = dict.fromkeys(AMOUNT_NAMES, 0.0)
    return ColumnState(**{k: jnp.asarray(v) for k, v in (profiles | amounts | changes).items()})


def air_of(state, omega=None, surface=None):
    omega = np.zeros(COUNT + 1) if omega is None else omega
    air = make_air(state, jnp.asarray(PRESSURE), jnp.asarray(INTERFACES), jnp.asarray(omega))
    return air._replace(surface=surface)


def surface(heat=50.0, moisture=5e-5, ustar=0.3, height=1500.0, stability=-0.1):
    return SurfaceConditions(*map(jnp.asarray, (heat, moisture, ustar, height, stability)))


def test_air_is_hydrostatic(x64):
    air = air_of(make_state())
    np.testing.assert_allclose(air.density * 9.81 * air.thickness, INTERFACES[:-1] - INTERFACES[1:])
    assert air.interface_height[0] == 0
    # Density at interfaces is linear in height between the middles of the layers.
    between = np.interp(air.interface_height[1:-1], air.height, air.density)
    np.testing.assert_allclose(air.interface_density[1:-1], between, rtol=1e-12)


@pytest.mark.parametrize("time", [-5.0, 0.0, 3.0, 10.0, 12.5, 40.0])
def test_time_series_is_linear_and_then_constant(x64, time):
    times, values = np.asarray([0.0, 10.0, 30.0]), np.asarray([[1.0, 5.0], [2.0, 3.0], [8.0, 3.0]])
    series = TimeSeries(times, {"a": values})
    expected = [np.interp(time, times, column) for column in values.T]
    np.testing.assert_allclose(series(time, jnp.float64)["a"], expected)


def test_time_series_refuses_what_is_none():
    with pytest.raises(DataError, match="increase strictly"):
        TimeSeries(np.asarray([0.0, 0.0]), np.zeros(2))
    with pytest.raises(DataError, match=r"\['a'\] has shape \(3,\), expected 2 times"):
        TimeSeries(np.asarray([0.0, 1.0]), {"a": np.zeros(3)})


def test_hybrid_levels_follow_the_ground(x64):
    a, b = np.asarray([0.0, 2e3, 1e3]), np.asarray([1.0, 0.6, 0.0])
    ps = TimeSeries(np.asarray([0.0, 100.0]), np.asarray([1e5, 9e4]))
    middle = [0.5 * (x[1:] + x[:-1]) for x in (a, b)]
    levels = ColumnLevels(middle[0], a, middle[1], b, ps)
    pressure, interfaces = levels(50.0, jnp.float64)
    np.testing.assert_allclose(interfaces, a + b * 95000)
    np.testing.assert_allclose(pressure, 0.5 * (interfaces[1:] + interfaces[:-1]))
    with pytest.raises(DataError, match="both weights and the surface pressure"):
        ColumnLevels(middle[0], a, middle[1], b)
    with pytest.raises(DataError, match="reverse the levels"):
        ColumnLevels(PRESSURE[::-1], INTERFACES[::-1])
    with pytest.raises(DataError, match="20 layers have 21 interfaces, not 20"):
        ColumnLevels(PRESSURE, INTERFACES[1:])


def test_advection_keeps_what_is_uniform(x64):
    omega = np.random.default_rng(0).normal(size=COUNT + 1)
    theta = 300 * (PRESSURE / 1e5) ** (287 / 1004.5)
    state = make_state(temperature=theta, vapour=np.full(COUNT, 0.01))
    tendencies = VerticalAdvection()(0.0, air_of(state, omega))
    for tendency in tendencies.values():
        np.testing.assert_allclose(tendency, 0, atol=1e-15)


def test_advection_is_the_flux_form_without_divergence(x64):
    """Against the slow formula: fluxes of the upstream value, minus the divergence."""
    omega = np.random.default_rng(1).normal(size=COUNT + 1)
    omega[[0, -1]] = 0
    state = make_state()
    q, dp = np.asarray(state.vapour), INTERFACES[:-1] - INTERFACES[1:]
    expected = np.empty(COUNT)
    for k in range(COUNT):
        through = []
        for i in (k, k + 1):
            inside = 0 < i < COUNT
            value = (q[i] if omega[i] > 0 else q[i - 1]) if inside else 0.0
            through.append((omega[i] * value, omega[i]))
        flux, divergence = (below - above for below, above in zip(*through, strict=True))
        expected[k] = -(flux - q[k] * divergence) / dp[k]
    tendency = VerticalAdvection(("vapour",))(0.0, air_of(state, omega))["vapour"]
    np.testing.assert_allclose(tendency, expected, rtol=1e-10, atol=1e-18)


def test_advection_by_one_layer_in_a_step(x64):
    """With a Courant number of one, upstream advection by Euler steps is exact."""
    omega = np.full(COUNT + 1, 0.5)
    state = make_state()
    dt = (INTERFACES[0] - INTERFACES[1]) / 0.5
    tendency = VerticalAdvection(("vapour",))(0.0, air_of(state, omega))["vapour"]
    moved = state.vapour + dt * tendency
    np.testing.assert_allclose(moved[:-1], state.vapour[1:], rtol=1e-12)
    np.testing.assert_allclose(moved[-1], state.vapour[-1], rtol=1e-12)


def test_vertical_velocity_and_gusts(x64):
    omega = np.linspace(0, 1, COUNT + 1)
    gust = Gust(constant(jnp.asarray(2.0)))
    motion = VerticalMotion(constant(jnp.asarray(omega)), gust)
    air = air_of(make_state(), np.asarray(motion.omega(0.0, jnp.asarray(INTERFACES))))
    z, density = np.asarray(air.interface_height), np.asarray(air.interface_density)
    expected = -omega / (9.81 * density) + 0.16 * np.sin(np.pi * np.minimum(z / 14000, 1))
    np.testing.assert_allclose(motion.vertical_velocity(0.0, air), expected, atol=1e-15)
    still = VerticalMotion()
    assert not still.vertical_velocity(0.0, air_of(make_state())).any()


def test_relaxation_and_prescribed_tendencies(x64):
    state = make_state()
    air = air_of(state)
    target = constant({"temperature": jnp.full(COUNT, 280.0)})
    scale = jnp.asarray(np.where(np.arange(COUNT) < 5, 1e12, 3600.0))
    tendency = Relaxation(target, scale)(0.0, air)["temperature"]
    np.testing.assert_allclose(tendency, (280 - state.temperature) / scale)
    given = PrescribedTendencies(
        TimeSeries(np.asarray([0.0, 8.0]), {"vapour": np.ones((2, COUNT))})
    )
    np.testing.assert_array_equal(given(3.0, air)["vapour"], 1)


def test_inertial_oscillation(x64):
    """The tendency turns the ageostrophic wind to the right and keeps its energy."""
    wind = constant(
        {"eastward_wind": jnp.full(COUNT, 5.0), "northward_wind": jnp.full(COUNT, -1.0)}
    )
    state = make_state()
    tendency = GeostrophicForcing(wind, 1e-4)(0.0, air_of(state))
    du, dv = state.eastward_wind - 5, state.northward_wind + 1
    np.testing.assert_allclose(
        du * tendency["eastward_wind"] + dv * tendency["northward_wind"], 0, atol=1e-16
    )
    np.testing.assert_allclose(tendency["northward_wind"], -1e-4 * du)


def test_prescribed_wind_and_floor(x64):
    state = make_state(vapour=np.linspace(2e-3, 0, COUNT))
    wind = constant({"eastward_wind": jnp.full(COUNT, 7.0)})
    increments = PrescribedWind(wind)(0.0, 60.0, air_of(state))
    np.testing.assert_allclose(state.eastward_wind + increments["eastward_wind"], 7)
    filled = state.vapour + VapourFloor(1e-4)(0.0, 60.0, air_of(state))["vapour"]
    np.testing.assert_allclose(filled, np.maximum(state.vapour, 1e-4))


def saturated_by_bisection(pressure, temperature, vapour):
    heating = (3.15e6 - 2370 * temperature) / 1004.5

    def excess(condensed):
        warmed = temperature + heating * condensed
        return vapour - condensed - saturation(pressure, warmed)

    return brentq(excess, -0.02, 0.02, xtol=1e-15)


def test_condensation_against_bisection(x64):
    state = make_state(humidity=np.linspace(0.6, 1.4, COUNT), cloud_water=np.full(COUNT, 2e-3))
    air = air_of(state)
    expected = [
        max(saturated_by_bisection(float(p), float(t), float(q)), -2e-3)
        for p, t, q in zip(PRESSURE, state.temperature, state.vapour, strict=True)
    ]
    increments = CloudCondensation(iterations=6)(0.0, 60.0, air)
    np.testing.assert_allclose(increments["cloud_water"], expected, rtol=1e-6, atol=1e-12)
    one_step = CloudCondensation(iterations=1)(0.0, 60.0, air)
    assert np.abs(one_step["cloud_water"] - np.asarray(expected)).max() > 1e-6


@pytest.mark.parametrize("adjustment", [RainOut(), RainOut(4), CloudCondensation()])
def test_condensation_conserves_water_and_enthalpy(x64, adjustment):
    state = make_state(
        humidity=np.linspace(0.6, 1.4, COUNT), cloud_water=np.full(COUNT, 1e-4),
        cloud_ice=np.full(COUNT, 1e-4),
    )  # fmt: skip
    air = air_of(state)
    increments = adjustment(0.0, 60.0, air)
    latent_heat = 3.15e6 - 2370 * state.temperature
    enthalpy = 1004.5 * increments["temperature"] + latent_heat * increments["vapour"]
    np.testing.assert_allclose(enthalpy, 0, atol=1e-8)
    water = increments["vapour"] + increments.get("cloud_water", 0) + increments.get("cloud_ice", 0)
    rain = increments.get("grid_scale_precipitation", 0.0)
    np.testing.assert_allclose(jnp.sum(air.mass * water) + rain, 0, atol=1e-12)
    assert np.abs(increments["vapour"]).max() > 1e-4
    for name in ("cloud_water", "cloud_ice"):
        assert (getattr(state, name) + increments.get(name, 0) >= -1e-18).all()


def test_fallout_conserves_water(x64):
    state = make_state(
        cloud_water=np.full(COUNT, 1e-3), cloud_ice=np.full(COUNT, 6e-4), snow=np.full(COUNT, 1e-4)
    )
    air = air_of(state)
    tendencies = Fallout()(0.0, air)
    water = sum(tendencies[name] for name in ("cloud_water", "cloud_ice", "rain_water", "snow"))
    rain = tendencies["grid_scale_precipitation"]
    assert rain > 1e-4
    np.testing.assert_allclose(jnp.sum(air.mass * water), -rain)


DIFFUSED = ("temperature", "vapour", "eastward_wind", "northward_wind")


def content(air, changes, name):
    change = changes[name] / air.exner if name == "temperature" else changes[name]
    return jnp.sum(air.mass * change), jnp.sum(air.mass * jnp.abs(change))


@pytest.mark.parametrize("dt", [60.0, 3600.0])
def test_implicit_diffusion_conserves_and_equals_the_dense_solve(x64, dt):
    air = air_of(make_state(), surface=surface())
    diffusion = BoundaryLayerDiffusion()
    increments = ImplicitDiffusion(diffusion)(0.0, dt, air)
    flow = np.asarray(diffusion.conductance(air)) * dt
    matrix = np.diag(np.asarray(air.mass))
    for i, g in enumerate(flow):
        matrix[[i, i + 1], [i, i + 1]] += g
        matrix[[i, i + 1], [i + 1, i]] -= g
    for name in DIFFUSED:
        net, gross = content(air, increments, name)
        assert abs(net) <= 1e-12 * gross + 1e-12
        values = (
            air.state.temperature / air.exner if name == "temperature" else getattr(air.state, name)
        )
        change = np.linalg.solve(matrix, np.asarray(air.mass * values)) - np.asarray(values)
        change = change * np.asarray(air.exner) if name == "temperature" else change
        np.testing.assert_allclose(increments[name], change, atol=1e-10)


def test_implicit_diffusion_conserves_in_single_precision():
    state = make_state()
    air = air_of(state, surface=surface())
    assert air.mass.dtype == jnp.float32
    increments = ImplicitDiffusion()(0.0, 300.0, air)
    for name in DIFFUSED:
        net, gross = content(air, increments, name)
        assert abs(net) <= 1e-5 * gross


def test_implicit_diffusion_tends_to_the_tendency(x64):
    air = air_of(make_state(), surface=surface())
    tendency = BoundaryLayerDiffusion()(0.0, air)["vapour"]
    errors = [
        np.abs(ImplicitDiffusion()(0.0, dt, air)["vapour"] / dt - tendency).max()
        for dt in (1.0, 0.5)
    ]
    assert errors[1] < 1e-2 * np.abs(tendency).max()
    np.testing.assert_allclose(errors[0] / errors[1], 2, rtol=0.05)


def test_surface_fluxes_and_diffusion_change_the_content_by_the_flux(x64):
    """Over a step, what the ground gives and nothing else, spread over the boundary layer."""
    dt = 300.0
    air = air_of(make_state(), surface=surface())
    fluxes = SurfaceFluxes()(0.0, air)
    state = air.state._replace(
        **{name: getattr(air.state, name) + dt * value for name, value in fluxes.items()}
    )
    after = ImplicitDiffusion()(0.0, dt, air_of(state, surface=surface()))
    gained = {name: dt * fluxes[name] + after[name] for name in fluxes}
    np.testing.assert_allclose(content(air, gained, "vapour")[0], dt * 5e-5, rtol=1e-10)
    heat = content(air, gained, "temperature")[0] * air.exner[0] * 1004.5
    np.testing.assert_allclose(heat, dt * 50, rtol=1e-8)
    stress = jnp.hypot(
        content(air, gained, "eastward_wind")[0], content(air, gained, "northward_wind")[0]
    )
    np.testing.assert_allclose(stress, dt * air.density[0] * 0.09, rtol=1e-6)
    assert gained["vapour"][1] > 0


def test_diffusivity_is_that_of_the_boundary_layer(x64):
    diffusion = BoundaryLayerDiffusion(background=0.0)
    air = air_of(make_state(), surface=surface(height=3000.0))
    k, z = np.asarray(diffusion.diffusivity(air)), np.asarray(air.interface_height[1:-1])
    assert (k[z < 3000] > 0).all() and (k[z > 3000] == 0).all()
    stable = air_of(make_state(), surface=surface(-20.0, 0.0, height=3000.0, stability=0.5))
    assert (np.asarray(diffusion.diffusivity(stable))[z < 3000] < 0.3 * k[z < 3000]).all()


def test_bulk_fluxes(x64):
    air = air_of(make_state())
    ground = BulkSurface(constant(jnp.asarray(301.0)))(0.0, air)
    state = air.state
    speed = np.sqrt(float(state.eastward_wind[0] ** 2 + state.northward_wind[0] ** 2) + 1)
    expected = (
        1.2e-3 * float(air.density[0]) * speed * (saturation(1e5, 301.0) - float(state.vapour[0]))
    )
    np.testing.assert_allclose(ground.moisture_flux, expected, rtol=1e-10)
    np.testing.assert_allclose(ground.friction_velocity, np.sqrt(1.2e-3) * speed)
    assert ground.sensible_heat_flux > 0 and ground.stability_parameter < 0
    assert 0 < ground.boundary_layer_height < 5000


def test_boundary_layer_height_of_a_sharp_inversion(x64):
    """A mixed layer under an inversion is as high as the inversion."""
    theta = np.where(PRESSURE > 8.4e4, 300.0, 306.0)
    temperature = theta * (PRESSURE / 1e5) ** (287 / 1004.5)
    state = make_state(temperature=temperature, vapour=np.zeros(COUNT))
    air = air_of(state)
    ground = PrescribedSurface(constant({"friction_velocity": jnp.asarray(0.3)}))(0.0, air)
    below = int((PRESSURE > 8.4e4).sum()) - 1
    assert air.height[below] < ground.boundary_layer_height < air.height[below + 1]
    assert ground.moisture_flux == 0 and ground.stability_parameter == 0


def test_processes_have_gradients(x64):
    def total(state):
        air = air_of(state)
        air = air._replace(surface=BulkSurface(constant(jnp.asarray(301.0)))(0.0, air))
        parts = [
            ImplicitDiffusion()(0.0, 300.0, air), CloudCondensation()(0.0, 300.0, air),
            SurfaceFluxes()(0.0, air), VerticalAdvection()(0.0, air),
        ]  # fmt: skip
        return sum(jnp.sum(value**2) for part in parts for value in part.values())

    state = make_state(humidity=np.linspace(0.6, 1.3, COUNT))
    gradient = jax.grad(total)(state)
    assert all(np.isfinite(leaf).all() for leaf in gradient)
    direction = state._replace(**{n: jnp.zeros_like(getattr(state, n)) for n in state._fields})
    direction = direction._replace(vapour=1e-3 * state.vapour, temperature=1e-3 * state.temperature)
    moved = [
        total(jax.tree_util.tree_map(lambda x, d, s=sign: x + s * 1e-3 * d, state, direction))
        for sign in (1, -1)
    ]
    slope = sum(jnp.vdot(g, d) for g, d in zip(gradient, direction, strict=True))
    np.testing.assert_allclose((moved[0] - moved[1]) / 2e-3, slope, rtol=1e-4)
