"""Experiment files: overrides, one-line errors that name the key, and the way back to TOML."""

import tomllib

import pytest
from hypothesis import given, strategies as st

from closurax.config import merge, parse_override, read_experiment, shipped_text, to_toml
from closurax.experiments import EXPERIMENTS
from closurax.physics.errors import ExperimentError


def refusal(overrides):
    with pytest.raises(ExperimentError) as caught:
        read_experiment("subgrid-turbulence", overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_shipped_experiments_are_valid_and_name_themselves(name):
    experiment = read_experiment(name)
    assert experiment.experiment == name
    assert type(experiment) is EXPERIMENTS[name]


def test_overrides_change_only_their_keys():
    before = read_experiment("subgrid-turbulence").model_dump()
    after = read_experiment(
        "subgrid-turbulence", {"training.epochs": 3, "closures.leith.coefficient": 0.25}
    ).model_dump()
    assert after["training"].pop("epochs") == 3
    assert after["closures"]["leith"].pop("coefficient") == 0.25
    before["training"].pop("epochs")
    before["closures"]["leith"].pop("coefficient")
    assert after == before


def test_file_holds_only_what_differs(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('experiment = "subgrid-turbulence"\n[training]\nepochs = 7\n')
    assert read_experiment(file).training.epochs == 7
    assert read_experiment(file).model == read_experiment("subgrid-turbulence").model


def test_unknown_key_is_named_with_the_nearest_one_and_all_allowed_ones():
    message = refusal({"training.epoch": 3})
    assert "unknown key 'training.epoch'" in message
    assert "did you mean 'training.epochs'?" in message
    assert "training.batch_size" in message
    # The same name in another table is nearer than a similar name in the same table.
    assert "did you mean 'training.patience'?" in refusal({"model.patience": 1})


@pytest.mark.parametrize(
    "overrides, parts",
    [
        ({"model.solver": "RK4"}, ["'model.solver' = 'RK4'", "'ETDRK2', 'ETDRK4', 'IFRK4'"]),
        ({"training.epochs": "many"}, ["'training.epochs' = 'many'", "integer"]),
        ({"training.epochs": 2.5}, ["'training.epochs' = 2.5", "integer"]),
        ({"training.epochs": True}, ["'training.epochs' = True", "integer"]),
        ({"training.epochs": 0}, ["'training.epochs' = 0", "greater than or equal to 1"]),
        ({"model.viscosity": float("nan")}, ["'model.viscosity'", "finite"]),
        ({"training": 3}, ["'training' = 3", "[training] is a table"]),
        ({"comparison.closures": ["leth"]}, ["'leth'", "'leith'"]),
        ({"comparison.closures": ["leith", "leith"]}, ["'leith'", "more than once"]),
        ({"comparison.spin_up": 0.3}, ["spin_up = 0.3", "save_every"]),
        ({"comparison.judged_wavenumbers": [1, 40]}, ["[1, 40]", "21"]),
        ({"experiment": "turbulence"}, ["'experiment'", "'subgrid-turbulence'"]),
        ({"": 3}, ["dotted key"]),
    ],
)
def test_refusals_name_key_value_and_rule(overrides, parts):
    message = refusal(overrides)
    for part in parts:
        assert part in message


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ExperimentError, match="did you mean 'subgrid-turbulence'"):
        read_experiment("subgrid-turbulense")
    broken = tmp_path / "broken.toml"
    broken.write_text("a = = 3")
    with pytest.raises(ExperimentError, match="broken.toml is not a TOML file"):
        read_experiment(broken)
    anonymous = tmp_path / "anonymous.toml"
    anonymous.write_text("seed = 3")
    with pytest.raises(ExperimentError, match="key 'experiment' is missing"):
        read_experiment(anonymous)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("training.epochs=3", ("training.epochs", 3)),
        ("a.b = 1e-3", ("a.b", 1e-3)),
        ("a=true", ("a", True)),
        ('a=["x", "y"]', ("a", ["x", "y"])),
        ("data.dns=folder/my dns.nc", ("data.dns", "folder/my dns.nc")),
        ('data.dns="quoted.nc"', ("data.dns", "quoted.nc")),
        ("a=", ("a", "")),
        ("a=b=c", ("a", "b=c")),
        ("a=1\nb=2", ("a", "1\nb=2")),
    ],
)
def test_override_values_are_toml_or_strings(text, expected):
    assert parse_override(text) == expected


def test_override_without_a_value_is_refused():
    with pytest.raises(ExperimentError, match="key=value"):
        parse_override("training.epochs")


def test_effective_configuration_reads_back_as_itself(tmp_path):
    experiment = read_experiment("subgrid-turbulence", {"data.dns": 'C:\\a "b"\té\x7f.nc'})
    file = tmp_path / "config.toml"
    file.write_text(to_toml(experiment.model_dump()), encoding="utf-8")
    assert read_experiment(file) == experiment


scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)
tables = st.recursive(
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), scalars, max_size=3),
    lambda inner: st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.one_of(scalars, st.lists(scalars, max_size=3), inner),
        max_size=3,
    ),
    max_leaves=6,
)


@given(tables)
def test_written_toml_reads_back_as_itself(table):
    assert tomllib.loads(to_toml(table)) == table


def test_merge_goes_into_tables_and_replaces_the_rest():
    below = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    assert merge(below, {"a": {"c": [3]}, "d": {"e": 2}}) == {
        "a": {"b": 1, "c": [3]},
        "d": {"e": 2},
    }
    assert below == {"a": {"b": 1, "c": [1, 2]}, "d": 1}


def test_shipped_text_is_what_is_read():
    assert tomllib.loads(shipped_text("turbulence-dns"))["experiment"] == "turbulence-dns"
