"""Cases in the common format of the DEPHY project, version 1."""

import warnings
from collections.abc import Callable

import numpy as np
import xarray as xr

from closurax.physics.errors import DataError

from .column_case_names import label
from .column_levels import interpolate, middle, sigma_interfaces
from .column_validation import check_columns, check_finite, saturation_mixing_ratio

_GRAVITY, _GAS_CONSTANT, _HEAT_CAPACITY = 9.81, 287.0, 1004.5
_ROTATION = 7.292e-5
_VON_KARMAN = 0.4
_SECONDS = {
    "seconds": 1.0,
    "second": 1.0,
    "s": 1.0,
    "minutes": 60.0,
    "hours": 3600.0,
    "days": 86400.0,
}
_TEMPERATURES = ("ta", "theta", "thetal")
_MOISTURES = ("rv", "qv", "rt", "qt")


def is_dephy(dataset: xr.Dataset) -> bool:
    """Whether a Dataset has the initial profiles of the DEPHY format."""
    return {"pa", "ua", "va"} <= set(dataset.variables)


def read_dephy(
    dataset: xr.Dataset, source: str, interface_pressure: np.ndarray | None = None
) -> xr.Dataset:
    """A case of the DEPHY format on model levels, for `AtmosphericColumn.from_case`.

    The format has the initial profiles over `(t0, lev)` and the forcing over `(time, lev)`, all
    on common levels (files `..._SCM_driver.nc`); attributes say which forcing applies:

    - initial `pa`, `ua`, `va`; `ta`, `theta` or `thetal`; `rv`, `qv`, `rt` or `qt`; `ps`, `zh`;
    - `adv_ta`, `adv_theta`, `adv_thetal`: `tnta_adv`, ...; `adv_rv`, `adv_qv`, `adv_rt`,
      `adv_qt`; `adv_ua`, `adv_va`;
    - `forc_wap`: `wap`; `forc_wa`: `wa`; `forc_geo`: `ug`, `vg` and `lat`;
    - `nudging_ta` and so on: the time scale in s of a relaxation to `ta_nud`, above the height
      `zh_nudging_ta` or the pressure `pa_nudging_ta`; if it is -1, its inverse is
      `nudging_coefficient_ta`;
    - `radiation`: `"tend"` with `tnta_rad` or the like; `"on"` is not represented, with a warning;
    - `surface_forcing_temp`: `"surface_flux"` with `hfss` and `hfls`, or `"ts"` with `ts_forc`;
      `surface_forcing_wind`: `"ustar"`, or `"z0"`.

    Profiles are interpolated linearly in the logarithm of pressure and constant beyond the file's
    levels. Water is vapour: liquid water in total water evaporates. The surface pressure stays
    the initial one. The boundary layer diffuses if there are surface fluxes.

    Raises `DataError` if a variable is missing or not possible.
    """
    reader = _Reader(dataset, source, interface_pressure)
    data: dict = {
        "air_pressure": ("level", reader.layers),
        "interface_pressure": ("level_w", reader.interfaces),
        "initial_air_temperature": ("level", reader.temperature),
        "initial_vapour_mixing_ratio": ("level", reader.vapour),
        "initial_eastward_wind": ("level", reader.initial("ua")),
        "initial_northward_wind": ("level", reader.initial("va")),
        "time_step": ((), 120.0),
    }
    for part in (_advection, _vertical_motion, _nudging, _geostrophic, _radiation, _surface):
        data |= part(reader)
    case = xr.Dataset(data, coords={"time": ("time", reader.time)})
    check_finite(case, source)
    diffusive = "sensible_heat_flux" in case or "surface_temperature" in case
    attrs = {
        "title": str(dataset.attrs.get("title", dataset.attrs.get("case", "DEPHY case"))),
        "boundary_layer": "diffusive" if diffusive else "none",
        "condensate": "prognostic",
        "radiation": str(dataset.attrs.get("radiation", "")),
    }
    case = label(case, attrs)
    case.attrs["advected_winds"] = int(
        "pressure_velocity" in case and "wind_relaxation_time" not in case
    )
    return case


class _Reader:
    """The file, with its variables on model levels."""

    def __init__(self, dataset: xr.Dataset, source: str, interface_pressure: np.ndarray | None):
        self.source = source
        self.attrs = dataset.attrs
        self.dataset = _simplified(dataset, source)
        self.temperature_name = self._first(_TEMPERATURES, "temperature")
        self.moisture_name = self._first(_MOISTURES, "moisture")
        self.pressure = self._array("pa", "t0")
        temperature = self._to_temperature(self._array(self.temperature_name, "t0"), self.pressure)
        moisture = self._array(self.moisture_name, "t0")
        vapour = moisture / (1 - moisture) if self.moisture_name[0] == "q" else moisture
        _check(self.pressure, temperature, vapour, source)
        if interface_pressure is None:
            ground = self._array("ps", "t0") if "ps" in self.dataset else self.pressure[0]
            interface_pressure = sigma_interfaces(float(np.ravel(ground)[0]))
        self.interfaces = np.asarray(interface_pressure, float)
        self.layers = middle(self.interfaces)
        self.temperature = interpolate(temperature, self.pressure, self.layers)
        self.exner = (self.layers / 1e5) ** (_GAS_CONSTANT / _HEAT_CAPACITY)
        vapour = interpolate(vapour, self.pressure, self.layers)
        # Interpolation can exceed saturation slightly, where it bends.
        self.vapour = np.minimum(vapour, saturation_mixing_ratio(self.layers, self.temperature))
        virtual = self.temperature * (1 + 0.608 * self.vapour)
        self.virtual = np.interp(-np.log(self.interfaces), -np.log(self.layers), virtual)
        thickness = (_GAS_CONSTANT * virtual / _GRAVITY) * np.log(
            self.interfaces[:-1] / np.maximum(self.interfaces[1:], 1.0)
        )
        self.height = np.cumsum(thickness) - 0.5 * thickness
        self.time = self._time()

    def on(self, attribute: str) -> bool:
        """Whether an attribute is set to something that is not nought."""
        return self.number(attribute) != 0

    def number(self, attribute: str) -> float:
        value = self.attrs.get(attribute, 0)
        try:
            return float(np.ravel(value)[0])
        except ValueError as error:
            raise DataError(
                f"The attribute {attribute!r} of {self.source} is {value!r}, expected a number."
            ) from error

    def initial(self, name: str) -> np.ndarray:
        return interpolate(self._array(name, "t0"), self.pressure, self.layers)

    def forcing(self, name: str, to: np.ndarray | None = None) -> np.ndarray:
        """A forcing over `(time, level)`, on the layers or at other pressures."""
        pressure = self._array("pa_forc", "time") if "pa_forc" in self.dataset else self.pressure
        values = self._array(name, "time")
        return interpolate(values, pressure, self.layers if to is None else to)

    def series(self, name: str) -> np.ndarray:
        return self._array(name, "time")

    def has(self, name: str) -> bool:
        return name in self.dataset

    def as_temperature(self, name: str, values: np.ndarray) -> np.ndarray:
        """Potential temperatures, or tendencies of them, in terms of temperature."""
        return values * self.exner if "theta" in name else values

    def as_mixing_ratio(self, name: str, values: np.ndarray) -> np.ndarray:
        """A tendency of specific humidity, or what is like it, as one of the mixing ratio."""
        return values * (1 + self.vapour) ** 2 if name.removeprefix("tn")[0] == "q" else values

    def _to_temperature(self, values: np.ndarray, pressure: np.ndarray) -> np.ndarray:
        if "theta" not in self.temperature_name:
            return values
        return values * (pressure / 1e5) ** (_GAS_CONSTANT / _HEAT_CAPACITY)

    def _first(self, names: tuple[str, ...], what: str) -> str:
        for name in names:
            if name in self.dataset:
                return name
        raise DataError(
            f"{self.source} has no initial {what}: none of the variables {list(names)}."
        )

    def _array(self, name: str, lead: str) -> np.ndarray:
        if name not in self.dataset:
            raise DataError(
                f"{self.source} has no variable {name!r}, which its attributes ask for; it has "
                f"{sorted(map(str, self.dataset.variables))}."
            )
        variable = self.dataset[name]
        if lead == "t0" and "t0" in variable.dims:
            variable = variable.isel(t0=0)
        dims = tuple(dim for dim in (lead, "lev") if dim in variable.dims)
        if set(variable.dims) != set(dims):
            raise DataError(
                f"{name!r} in {self.source} has dims {variable.dims}, expected {lead!r} and 'lev': "
                "closurax reads files on common levels, '..._SCM_driver.nc'."
            )
        values = variable.transpose(*dims).values.astype(float)
        if not np.isfinite(values).all():
            where = ", ".join(
                f"{dim} index {i}"
                for dim, i in zip(dims, np.argwhere(~np.isfinite(values))[0], strict=True)
            )
            raise DataError(f"{name!r} in {self.source} is NaN or infinite at {where}; repair it.")
        return values

    def _time(self) -> np.ndarray:
        if "time" not in self.dataset.variables:
            return np.zeros(1)
        unit = str(self.dataset["time"].attrs.get("units", "seconds")).split()[0]
        if unit not in _SECONDS:
            raise DataError(f"'time' in {self.source} has units {unit!r}; expected seconds.")
        time = self.dataset["time"].values.astype(float) * _SECONDS[unit]
        return time - time[0]


def _simplified(dataset: xr.Dataset, source: str) -> xr.Dataset:
    single = [dim for dim in ("lat", "lon") if dataset.sizes.get(dim) == 1]
    simple = dataset.isel(dict.fromkeys(single, 0))
    for dim, size in simple.sizes.items():
        if size == 0:
            raise DataError(f"{source} holds no data: the dimension {dim!r} is of size zero.")
    for name, expected in (
        ("pa", "Pa"),
        ("ps", "Pa"),
        ("ta", "K"),
        ("wap", "Pa s-1"),
        ("wa", "m s-1"),
    ):
        units = simple[name].attrs.get("units", expected) if name in simple else expected
        if units != expected:
            raise DataError(
                f"{name!r} in {source} has units {units!r}, expected {expected!r}; convert the "
                "values."
            )
    return simple


def _check(pressure: np.ndarray, temperature: np.ndarray, vapour: np.ndarray, source: str) -> None:
    profiles = {"pa": (pressure, "Pa"), "ta": (temperature, "K"), "rv": (vapour, "kg kg-1")}
    data = {name: ("level", values, {"units": u}) for name, (values, u) in profiles.items()}
    specification = {name: (("level",), units) for name, (_, units) in profiles.items()}
    # A case of the boundary layer need not reach far up.
    check_columns(
        xr.Dataset(data), source, specification, pressure="pa", temperature="ta", vapour="rv",
        top=9e4, tolerance=0.05,
    )  # fmt: skip


def _advection(reader: _Reader) -> dict:
    data: dict = {}
    for name in _TEMPERATURES:
        if reader.on(f"adv_{name}"):
            values = reader.as_temperature(name, reader.forcing(f"tn{name}_adv"))
            data["temperature_advection"] = (("time", "level"), values)
    for name in _MOISTURES:
        if reader.on(f"adv_{name}"):
            values = reader.as_mixing_ratio(name, reader.forcing(f"tn{name}_adv"))
            data["vapour_advection"] = (("time", "level"), values)
    for name, wind in (("ua", "eastward_wind"), ("va", "northward_wind")):
        if reader.on(f"adv_{name}"):
            data[f"{wind}_advection"] = (("time", "level"), reader.forcing(f"tn{name}_adv"))
    return data


def _vertical_motion(reader: _Reader) -> dict:
    if reader.on("forc_wap"):
        omega = reader.forcing("wap", reader.interfaces)
    elif reader.on("forc_wa"):
        density = reader.interfaces / (_GAS_CONSTANT * reader.virtual)
        omega = -_GRAVITY * density * reader.forcing("wa", reader.interfaces)
    else:
        return {}
    # Nothing flows through the ground and the top.
    omega[:, [0, -1]] = 0
    return {"pressure_velocity": (("time", "level_w"), omega)}


def _nudging(reader: _Reader) -> dict:
    data: dict = {}
    kinds: tuple[tuple[str, tuple[str, ...], str, Callable], ...] = (
        ("temperature", _TEMPERATURES, "target_air_temperature", reader.as_temperature),
        ("vapour", _MOISTURES, "target_vapour_mixing_ratio", _as_mixing_ratio),
    )
    for kind, names, target, convert in kinds:
        for name in names:
            if reader.on(f"nudging_{name}"):
                values = convert(name, reader.forcing(f"{name}_nud"))
                data[target] = (("time", "level"), values)
                data[f"{kind}_relaxation_time"] = ("level", _time_scale(reader, name))
    if reader.on("nudging_ua") or reader.on("nudging_va"):
        data["target_eastward_wind"] = (("time", "level"), reader.forcing("ua_nud"))
        data["target_northward_wind"] = (("time", "level"), reader.forcing("va_nud"))
        name = "ua" if reader.on("nudging_ua") else "va"
        data["wind_relaxation_time"] = ("level", _time_scale(reader, name))
    return data


def _as_mixing_ratio(name: str, values: np.ndarray) -> np.ndarray:
    return values / (1 - values) if name[0] == "q" else values


_NEVER = 1e12


def _time_scale(reader: _Reader, name: str) -> np.ndarray:
    scale = reader.number(f"nudging_{name}")
    if scale < 0:
        rate = reader.forcing(f"nudging_coefficient_{name}").mean(axis=0)
        return 1 / np.maximum(rate, 1 / _NEVER)
    inside = np.ones(reader.layers.size, bool)
    if reader.on(f"pa_nudging_{name}"):
        inside = reader.layers <= reader.number(f"pa_nudging_{name}")
    elif reader.on(f"zh_nudging_{name}"):
        inside = reader.height >= reader.number(f"zh_nudging_{name}")
    return np.where(inside, scale, _NEVER)


def _geostrophic(reader: _Reader) -> dict:
    if not reader.on("forc_geo"):
        return {}
    latitude = np.deg2rad(float(np.ravel(reader.dataset["lat"].values)[0]))
    return {
        "geostrophic_eastward_wind": (("time", "level"), reader.forcing("ug")),
        "geostrophic_northward_wind": (("time", "level"), reader.forcing("vg")),
        "coriolis_parameter": ((), 2 * _ROTATION * np.sin(latitude)),
    }


def _radiation(reader: _Reader) -> dict:
    kind = str(reader.attrs.get("radiation", "off"))
    if kind == "tend":
        for name in _TEMPERATURES:
            if reader.has(f"tn{name}_rad"):
                values = reader.as_temperature(name, reader.forcing(f"tn{name}_rad"))
                return {"radiative_heating": (("time", "level"), values)}
        raise DataError(f"{reader.source} has no radiative tendency, which 'radiation' asks for.")
    if kind == "on":
        warnings.warn(
            f"{reader.source} asks for interactive radiation, which closurax does not have: add "
            "`radiative_heating` to the case.",
            stacklevel=4,
        )
    return {}


def _surface(reader: _Reader) -> dict:
    data: dict = {}
    kind = str(reader.attrs.get("surface_forcing_temp", "none"))
    if kind == "surface_flux":
        data["sensible_heat_flux"] = (("time",), reader.series("hfss"))
        if str(reader.attrs.get("surface_forcing_moisture", "surface_flux")) == "surface_flux":
            data["latent_heat_flux"] = (("time",), reader.series("hfls"))
    elif kind in ("ts", "tskin"):
        data["surface_temperature"] = (
            ("time",),
            reader.series("ts_forc" if kind == "ts" else "tskin"),
        )
    elif kind != "none":
        raise DataError(
            f"The attribute 'surface_forcing_temp' of {reader.source} is {kind!r}, which closurax "
            "does not know; it knows 'surface_flux', 'ts' and 'none'."
        )
    wind = str(reader.attrs.get("surface_forcing_wind", "none"))
    if wind == "ustar":
        data["friction_velocity"] = (("time",), reader.series("ustar"))
    elif wind == "z0":
        speed = float(np.hypot(reader.initial("ua")[0], reader.initial("va")[0]))
        roughness = reader.series("z0")
        value = _VON_KARMAN * max(speed, 1.0) / np.log(reader.height[0] / roughness)
        data["friction_velocity"] = (("time",), value)
    return data
