from collections.abc import Mapping


def interval_text(scores: Mapping[str, float], key: str, separator: str = " ") -> str:
    """A score with the interval that `_low` and `_high` hold, as far as they are known."""
    if key not in scores:
        return "–"
    text = f"{scores[key]:.3f}"
    if f"{key}_low" not in scores:
        return text
    return f"{text}{separator}({scores[f'{key}_low']:.3f} to {scores[f'{key}_high']:.3f})"
