"""What the metrics say, in sentences that follow from the numbers whatever these are."""

from collections.abc import Mapping

from ..report import look
from .subgrid_turbulence_settings import Comparison

Metrics = Mapping[str, Mapping[str, float]]

_ERROR = "enstrophy_spectrum_error"


def label(name: str) -> str:
    """How a closure is called in sentences and tables."""
    return look(name).label


def ranking(metrics: Metrics) -> list[str]:
    """The closures by the error of their enstrophy spectrum; those without a survivor last."""
    names = [name for name in metrics if name != "reference"]
    return sorted(names, key=lambda name: metrics[name].get(_ERROR, float("inf")))


def describe(metrics: Metrics, settings: Comparison) -> list[str]:
    """Five findings: the closest, the learned one among the others, stability, tails, cost."""
    return [
        _closest(metrics, settings),
        _learned(metrics),
        _stability(metrics),
        _tails(metrics),
        _cost(metrics),
    ]


def cards(metrics: Metrics) -> list[tuple[str, str, str]]:
    """Label, value and remark of the four numbers to remember."""
    first = ranking(metrics)[0]
    physical = _best_physical(metrics)
    learned = metrics["learned"]
    shown = f"{learned[_ERROR]:.3f}" if _ERROR in learned else "none"
    against = f"best physical: {metrics[physical][_ERROR]:.3f}" if physical else "no physical left"
    blow_ups, members = learned["blow_ups"], learned["members"]
    ratio = learned["seconds_per_time_unit"] / metrics["none"]["seconds_per_time_unit"]
    return [
        ("Closest to the DNS", label(first), "by the error of the enstrophy spectrum"),
        ("Error of the learned closure", shown, against),
        ("Learned closure, stable members", f"{members - blow_ups:g} of {members:g}", "to the end"),
        ("Cost of the learned closure", f"{ratio:.1f} ×", "that of the model without a closure"),
    ]


def _best_physical(metrics: Metrics) -> str | None:
    others = ("learned", "linear", "none")
    known = [n for n in ranking(metrics) if n not in others and _ERROR in metrics[n]]
    return known[0] if known else None


def _closest(metrics: Metrics, settings: Comparison) -> str:
    known = [name for name in ranking(metrics) if _ERROR in metrics[name]]
    if not known:
        return "No closure kept a member alive: there is nothing to compare with the DNS."
    first, *others = known
    start, end = settings.judged_wavenumbers
    second = ""
    if others:
        second = f"; second is {label(others[0])} with {_with_interval(metrics, others[0])}"
    return (
        f"Closest to the DNS in the enstrophy spectrum (k = {start} to {end}) is {label(first)} "
        f"with a log error of {_with_interval(metrics, first)}{second}."
    )


def _learned(metrics: Metrics) -> str:
    if _ERROR not in metrics["learned"]:
        return "The learned closure blew up in every member: it cannot be judged by its spectrum."
    sentences = []
    physical = _best_physical(metrics)
    if physical is not None:
        called = f"the best physical one ({label(physical)}, {_with_interval(metrics, physical)})"
        sentences.append(f"{_versus(metrics['learned'], metrics[physical])} {called}")
    if _ERROR in metrics.get("linear", {}):
        called = f"the linear baseline ({_with_interval(metrics, 'linear')})"
        sentences.append(f"{_versus(metrics['learned'], metrics['linear'])} {called}")
    if _ERROR in metrics["none"]:
        called = f"no closure ({_with_interval(metrics, 'none')})"
        sentences.append(f"{_versus(metrics['learned'], metrics['none'])} {called}")
    if not sentences:
        return (
            f"The learned closure has an error of {_with_interval(metrics, 'learned')}; nothing "
            "else survived to compare it with."
        )
    return f"The learned closure ({_with_interval(metrics, 'learned')}) is {', '.join(sentences)}."


def _versus(learned: Mapping[str, float], other: Mapping[str, float]) -> str:
    low, high = f"{_ERROR}_low", f"{_ERROR}_high"
    # A single survivor has no interval, and then nothing is clear.
    known = low in learned and low in other
    overlap = not known or (learned[low] <= other[high] and other[low] <= learned[high])
    ratio = learned[_ERROR] / other[_ERROR]
    verdict = f"better ({ratio:.2f} times the error) than" if ratio < 1 else (
        f"worse ({ratio:.2f} times the error) than"
    )  # fmt: skip
    return f"not clearly {verdict}" if overlap else verdict


def _stability(metrics: Metrics) -> str:
    lost = {
        name: values["blow_ups"]
        for name, values in metrics.items()
        if values.get("blow_ups", 0) > 0
    }
    members = metrics["learned"]["members"]
    if not lost:
        return f"Every closure, the learned one included, kept all {members:g} members stable."
    which = ", ".join(f"{label(name)} {count:g} of {members:g}" for name, count in lost.items())
    learned = (
        "the learned closure is among them"
        if "learned" in lost
        else f"the learned closure kept all {members:g} stable"
    )
    return f"Members that blew up: {which}; {learned}."


def _tails(metrics: Metrics) -> str:
    key = "tail_probability_4std"
    expected = metrics["reference"][key]
    physical = _best_physical(metrics)
    parts = [
        f"{label(name)} {100 * metrics[name][key]:.3f} %"
        for name in ("learned", "linear", physical, "none")
        if name is not None and key in metrics.get(name, {})
    ]
    low, high = (100 * metrics["reference"][f"{key}_{bound}"] for bound in ("low", "high"))
    return (
        f"Vorticity beyond 4 standard deviations: DNS {100 * expected:.3f} % "
        f"({low:.3f} to {high:.3f}); {', '.join(parts)}."
    )


def _cost(metrics: Metrics) -> str:
    cost = {name: m["seconds_per_time_unit"] for name, m in metrics.items() if name != "reference"}
    parts = [f"no closure {1e3 * cost['none']:.1f} ms"]
    physical = _best_physical(metrics)
    for name in (physical, "linear", "learned"):
        if name is not None and name in cost:
            ratio = cost[name] / cost["none"]
            parts.append(f"{label(name)} {1e3 * cost[name]:.1f} ms ({ratio:.1f} times)")
    return f"Cost per simulated second and member: {', '.join(parts)}."


def _with_interval(metrics: Metrics, name: str) -> str:
    values = metrics[name]
    if f"{_ERROR}_low" not in values:
        return f"{values[_ERROR]:.3f} of one member"
    low, high = values[f"{_ERROR}_low"], values[f"{_ERROR}_high"]
    return f"{values[_ERROR]:.3f} [{low:.3f}, {high:.3f}]"
