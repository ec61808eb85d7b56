import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def is_resumable(folder: Path, inputs: Mapping[str, Any]) -> bool:
    """Whether the checkpoints in a folder were written with the same inputs; records these."""
    record = folder / "inputs.json"
    text = json.dumps(inputs, sort_keys=True)
    same = record.is_file() and record.read_text(encoding="utf-8") == text
    folder.mkdir(parents=True, exist_ok=True)
    record.write_text(text, encoding="utf-8")
    return same
