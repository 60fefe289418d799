"""Compiled functions are kept until any of the modules that hold some changes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from compute import compiled


def test_every_module_with_compiled_functions_counts() -> None:
    ours = {
        path
        for path in compiled.ROOT.rglob("*.py")
        if "@compiled(" in path.read_text() or "@intrinsic" in path.read_text()
    }
    assert ours == set(compiled.sources())


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package like ours: `outer` is compiled with what `inner_cpu` of another module returns."""
    compute = tmp_path / "compute"
    (compute / "part").mkdir(parents=True)
    shutil.copy(Path(compiled.__file__), compute)
    (compute / "part" / "inner_cpu.py").write_text(
        "from compute.compiled import compiled\n\n\n@compiled(fastmath=False)\ndef inner(x):\n    return x + 1\n"
    )
    (compute / "part" / "outer_cpu.py").write_text(
        "from compute.compiled import compiled\nfrom compute.part.inner_cpu import inner\n\n\n"
        "@compiled(fastmath=False)\ndef outer(x):\n    return inner(x)\n"
    )
    for name in compiled.OTHERS:
        (compute / name).parent.mkdir(exist_ok=True)
        (compute / name).touch()
    return tmp_path


def call(package: Path) -> tuple[int, int]:
    """What `outer(1)` returns in a new process, and how often it was found compiled."""
    code = "from compute.part.outer_cpu import outer; print(outer(1), sum(outer.stats.cache_hits.values()))"
    environment = {**os.environ, "PYTHONPATH": str(package)}
    environment.pop("NUMBA_CACHE_DIR", None)
    words = [sys.executable, "-c", code]
    said = subprocess.run(words, cwd=package, env=environment, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    value, hits = said.stdout.split()
    return int(value), int(hits)


def test_a_function_follows_those_of_other_modules_that_it_calls(package: Path) -> None:
    assert call(package) == (2, 0)
    assert call(package) == (2, 1)
    inner = package / "compute" / "part" / "inner_cpu.py"
    inner.write_text(inner.read_text().replace("x + 1", "x + 5"))
    assert call(package) == (6, 0)
    assert call(package) == (6, 1)


def test_a_folder_of_the_users_own_is_taken(package: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    environment = {**os.environ, "PYTHONPATH": str(package), "NUMBA_CACHE_DIR": str(own)}
    words = [sys.executable, "-c", "from compute.part.outer_cpu import outer; outer(1)"]
    subprocess.run(words, cwd=package, env=environment, check=True)
    (folder,) = own.iterdir()
    assert folder.name.startswith("compiled-") and list(folder.rglob("*.nbi"))


ALONE = """
import sys
import numpy as np
from compute.part.inner_cpu import inner

print(inner(np.arange(3.0)).tolist(), sum(inner.stats.cache_hits.values()))
print([name for name in ("numba.np.linalg", "numba.typed.typedlist") if name in sys.modules])
print(inner(1))
"""


def test_what_is_kept_is_loaded_without_what_compiling_needs(package: Path) -> None:
    """Arrays that it makes find their memory all the same, and other types are compiled as ever."""
    words = [sys.executable, "-c", ALONE]
    environment = {**os.environ, "PYTHONPATH": str(package)}
    environment.pop("NUMBA_CACHE_DIR", None)
    said = [
        subprocess.run(
            words, cwd=package, env=environment, capture_output=True, text=True, check=True
        ).stdout.splitlines()
        for _ in range(2)
    ]
    assert said[0][0] == "[1.0, 2.0, 3.0] 0"
    assert said[1] == ["[1.0, 2.0, 3.0] 1", "[]", "2"]
