import os
from pathlib import Path


def file_identity(path: str) -> list:
    """Changes when a file of the user does."""
    if not path or not Path(path).is_file():
        return [path]
    status = os.stat(path)
    return [path, status.st_size, status.st_mtime_ns]
