from importlib.resources import files


def native_text(name: str) -> str:
    """The C or Fortran text of this name that ships with the package."""
    return (files(__package__) / "native" / name).read_text(encoding="utf-8")
