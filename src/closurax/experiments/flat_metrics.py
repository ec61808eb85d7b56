from collections.abc import Mapping


def flat_metrics(by_name: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The pairs `name.key: number` of `metrics.json`, of six digits."""
    return {
        f"{name}.{key}": float(f"{value:.6g}")
        for name, scores in by_name.items()
        for key, value in scores.items()
    }
