"""The page: self-contained, escaped, and with every part that it was given."""

import numpy as np
import pytest
import xarray as xr

from closurax import report


def test_page_holds_everything_and_refers_to_nothing(tmp_path, outside_references):
    history = xr.Dataset(
        {"training_loss": ("epoch", [1.0, 0.5]), "validation_loss": ("epoch", [1.0, 0.7])},
        {"epoch": [1, 2]},
        {"best_epoch": 2},
    )
    report.save_png(report.training_figure(history), tmp_path / "a.png")
    page = report.Page(
        title="Title <1>",
        summary="Summary & more",
        cards=[("label", "value", "remark")],
        findings=["finding <b>"],
        sections=[
            (
                "Heading",
                "Introduction",
                [
                    report.Figure(tmp_path / "a.png", 'Figure "one"', "Caption"),
                    report.Table(
                        ["Name", "A\nunit"], [["x", "1.0\n0.9 to 1.1"]], "Note", [0], {1: 0}
                    ),
                ],
            )
        ],
        provenance=[("Seed", "0")],
        configuration="[a]\nb = 1 # <c>",
    ).html()
    assert outside_references(page) == []
    assert page.count("data:image/png;base64,") == 1
    for text in ("Title &lt;1&gt;", "Summary &amp; more", "finding &lt;b&gt;", "# &lt;c&gt;"):
        assert text in page
    assert '<td class="best">1.0<small>0.9 to 1.1</small></td>' in page
    assert '<tr class="marked">' in page


def test_the_check_for_outside_references_finds_them(outside_references):
    assert outside_references('<img src="data:image/png;base64,AA"><p style="color: red">') == []
    for guilty in (
        '<img src="figures/a.png">',
        '<a href="https://example.org">x</a>',
        '<link rel="stylesheet" href="a.css">',
        "<style>a { background: url(b.png) }</style>",
        "<style>@import 'c.css'</style>",
        "<script>fetch('/x')</script>",
        "<p>see http://example.org</p>",
    ):
        assert outside_references(guilty), guilty


def test_figures_survive_closures_that_blew_up():
    names = ["none", "learned", "gradient_2"]
    shells, times = np.arange(6.0), np.arange(5.0)
    spectrum = np.ones((3, 6))
    series = np.ones((3, 2, 5))
    spectrum[1], series[1, :, 2:] = np.nan, np.nan
    reference = xr.Dataset(
        {
            "energy_spectrum": ("k", np.ones(6)),
            "enstrophy_spectrum": ("k", np.ones(6)),
            "energy_spectrum_halves": (("half", "k"), np.ones((2, 6))),
            "enstrophy_spectrum_halves": (("half", "k"), np.ones((2, 6))),
            "mean_energy": ((), 1.0),
            "mean_energy_interval": ("bound", [0.9, 1.1]),
            "mean_enstrophy": ((), 1.0),
            "mean_enstrophy_interval": ("bound", [0.9, 1.1]),
            "vorticity_std": ((), 2.0),
            "vorticity_pdf": ("w", np.full(3, 0.2)),
            "tail_probability": ("threshold", [0.1, 0.01]),
            "tail_probability_interval": (("threshold", "bound"), np.full((2, 2), 0.05)),
        },
        {"k": shells, "w": [-2.0, 0.0, 2.0], "threshold": [2.0, 8.0]},
    )
    comparison = xr.Dataset(
        {
            "energy_spectrum": (("closure", "k"), spectrum),
            "enstrophy_spectrum": (("closure", "k"), spectrum),
            "energy": (("closure", "member", "time"), series),
            "enstrophy": (("closure", "member", "time"), series),
            "vorticity_pdf": (("closure", "w"), np.full((3, 3), np.nan)),
            "tail_probability": (("closure", "threshold"), np.full((3, 2), np.nan)),
            "tail_probability_interval": (
                ("closure", "threshold", "bound"),
                np.full((3, 2, 2), np.nan),
            ),
        },
        {"closure": names, "time": times},
    )
    field = np.outer(np.sin(times), np.cos(times))
    spectra = report.spectra_figure(comparison, reference, (1, 4))
    assert [line.get_label() for line in spectra.axes[0].lines] == [
        report.look(name).label for name in ("reference", *names)
    ]
    report.tails_figure(comparison, reference).canvas.draw()
    report.time_series_figure(comparison, reference, 1.0).canvas.draw()
    snapshots = report.snapshots_figure({"none": field, "learned": np.full((5, 5), np.nan)}, 2.0)
    snapshots.canvas.draw()
    assert "blew up" in [text.get_text() for axis in snapshots.axes for text in axis.texts]


@pytest.mark.parametrize("names", [report.palette.LOOKS, report.palette.CONVECTION_LOOKS])
def test_every_scheme_has_its_own_look(names):
    looks = [report.look(name) for name in names]
    assert len({look.colour for look in looks}) == len(looks)
    assert len({look.label for look in looks}) == len(looks)
    assert report.look("my_own").label == "my own"
