"""The import arrows between our packages, and what may not be loaded on the way."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("compute", "db", "webapp")
ANYTHING = ("compute",)

# Which of our packages a package may import, apart from itself. The longest fitting name decides.
ARROWS: dict[str, tuple[str, ...]] = {
    "compute.params": (),
    "compute.sampling": (),
    "compute.compiled": (),
    "compute.signal": ("compute.compiled",),
    "compute.files": ("compute.params",),
    "compute.projection": ("compute.compiled", "compute.signal"),
    "compute.expectation": (
        "compute.compiled",
        "compute.projection",
        "compute.sampling",
        "compute.signal",
    ),
    "compute.maximisation": (
        "compute.compiled",
        "compute.projection",
        "compute.signal",
        "compute.sampling.symmetry",
    ),
    "compute.convergence": ("compute.sampling", "compute.signal", "compute.projection"),
    "compute.startup": (),
    "compute.handover": (),
    "compute.parallel": (),
    "compute.parallel_mpi": ("compute.parallel",),
    "compute.jobs": ANYTHING,
    "compute.preview": ANYTHING,
    "compute.__main__": ANYTHING,
    "compute": (),
    "db": ("compute.params", "compute.files"),
    "webapp": ("db", "compute.params", "compute.files"),
}


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def room(module: str) -> str:
    """The row of the table that a module belongs to."""
    return max((row for row in ARROWS if within(module, row)), key=len)


def modules() -> dict[str, Path]:
    found = {}
    for top in OURS:
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(module: str, path: Path, known: dict[str, Path]) -> set[str]:
    """Our modules that a module imports, at its top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} uses a relative import"
            base = node.module or ""
            names.update(
                full if (full := f"{base}.{alias.name}") in known else base for alias in node.names
            )
    return {name for name in names if name.split(".")[0] in OURS}


def graph() -> dict[str, set[str]]:
    known = modules()
    return {module: imported(module, path, known) for module, path in known.items()}


def forbidden(edges: dict[str, set[str]]) -> list[str]:
    return [
        f"{module} imports {name}"
        for module, names in edges.items()
        for name in sorted(names)
        if not any(within(name, allowed) for allowed in (room(module), *ARROWS[room(module)]))
        or (room(module) == "compute" and not within(name, module))
    ]


def cycle(edges: dict[str, set[str]]) -> list[str]:
    """One cycle of imports, or an empty list."""
    done: set[str] = set()

    def visit(module: str, trail: list[str]) -> list[str]:
        if module in trail:
            return trail[trail.index(module) :] + [module]
        if module in done:
            return []
        for name in sorted(edges.get(module, ())):
            found = visit(name, [*trail, module])
            if found:
                return found
        done.add(module)
        return []

    for module in edges:
        found = visit(module, [])
        if found:
            return found
    return []


def test_only_allowed_arrows() -> None:
    assert forbidden(graph()) == []


def test_no_cycles() -> None:
    assert cycle(graph()) == []


def test_a_forbidden_arrow_is_seen() -> None:
    assert forbidden({"compute.signal.fsc": {"compute.sampling.symmetry"}})
    assert forbidden({"compute.maximisation.prior": {"compute.sampling.healpix"}})
    assert forbidden({"webapp.cli": {"compute.jobs.refine"}})
    assert forbidden({"db.models": {"webapp.cli"}})
    assert not forbidden({"compute.maximisation.prior": {"compute.sampling.symmetry"}})


def test_a_cycle_is_seen() -> None:
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


HEAVY = {"torch", "numba", "scipy", "mpi4py"}
SERVED = (
    "webapp.app",
    "webapp.serving",
    "webapp.pages",
    "webapp.components",
    "webapp.packed",
    "webapp.rehearsal",
)
"""The only rooms of `webapp` that load Panel, and pandas with it: the command and the supervisor start without them."""


@pytest.mark.parametrize(
    ("package", "heavy"),
    [
        ("compute.params", HEAVY | {"pandas", "numpy"}),
        ("compute.files", HEAVY),
        ("compute.files.star", HEAVY | {"pandas"}),
        ("compute.files.project", HEAVY | {"pandas"}),
        ("compute.files.project_export", HEAVY | {"pandas"}),
        ("webapp", HEAVY | {"pandas", "panel", "bokeh"}),
        ("webapp.components", HEAVY),
        ("webapp.pages", HEAVY),
        ("webapp.app", HEAVY),
        ("webapp.serving", HEAVY),
        ("webapp.packed", HEAVY),
        ("webapp.rehearsal", HEAVY),
        ("db", HEAVY | {"pandas"}),
    ],
)
def test_light_packages_stay_light(package: str, heavy: set[str]) -> None:
    names = [
        name
        for name in modules()
        if within(name, package)
        and (package in SERVED or not any(within(name, room) for room in SERVED))
    ]
    code = (
        "import importlib, json, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        f"print(json.dumps(sorted(set({sorted(heavy)!r}) & set(sys.modules))))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout) == []
