"""Strict settings for all tests: dtypes, ranks, shapes, two devices."""

import os
import sys
import types
import zlib
from importlib.metadata import version

# Before jax is imported. Two devices let one machine test what runs on several. Nearly all of the
# time is compilation, of what then runs for milliseconds: without optimisation it takes half.
# Newer versions end the process at flags that they no longer know.
os.environ["XLA_FLAGS"] = " ".join(
    [
        os.environ.get("XLA_FLAGS", ""),
        "--xla_force_host_platform_device_count=2",
        "--xla_backend_optimization_level=0",
        "--xla_cpu_use_fusion_emitters=false" if version("jaxlib") < "0.11" else "",
    ]
).strip()
os.environ.setdefault("MPLBACKEND", "Agg")

import beartype
import hypothesis
import jax
import jaxtyping
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# Compilation makes the first example slow, and a failure should come back on the next run.
hypothesis.settings.register_profile("closurax", deadline=None, derandomize=True, max_examples=25)
hypothesis.settings.load_profile("closurax")


def check_types(function):
    """`beartype`, except for `typing.Self`, which it only knows when it decorates a whole class."""
    function.__annotations__ = {
        name: hint
        for name, hint in function.__annotations__.items()
        if "typing.Self" not in str(hint)
    }
    return beartype.beartype(function)


# From here on importing closurax checks its shape annotations at run time. The hook takes the
# checker by its import path, and a conftest has none.
sys.modules["closurax_tests"] = types.ModuleType("closurax_tests")
sys.modules["closurax_tests"].check_types = check_types
jaxtyping.install_import_hook("closurax", "closurax_tests.check_types")


@pytest.fixture
def getkey(request):
    """A function that returns a new key at each call: `getkey()`, the same ones at each run."""
    key = jax.random.key(zlib.crc32(request.node.nodeid.encode()))

    def next_key():
        nonlocal key
        key, subkey = jax.random.split(key)
        return subkey

    return next_key


@pytest.fixture(autouse=True, scope="module")
def forget_compiled_functions():
    """Every compiled function holds memory mappings, and Linux allows a process 65,530 of them."""
    yield
    jax.clear_caches()


@pytest.fixture
def x64():
    """Switches to 64-bit numbers for one test."""
    with jax.enable_x64(True):
        yield
