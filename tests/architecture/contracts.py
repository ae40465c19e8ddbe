"""Import contracts, derived from `app.modules`: `python -m tests.architecture.contracts` checks them.

import-linter takes them from a file, which is written for the moment of the check: the one list is in the code.
"""

import importlib
import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from app import modules

ROOT = Path(__file__).resolve().parents[2]

INNER_LAYERS = (
    "(manifest)",
    "(routes)",
    "(audit)",
    "(consumers) | (jobs)",
    "(flows)",
    "(records) | (rules)",
    "(models) | (events) | (errors)",
    "(schemas)",
)
"""Inside a module, as far as its files are named by their kind; nouns stand between flows and records."""


def _contract(name: str, **options: str | Sequence[str]) -> str:
    lines = [f"[importlinter:contract:{name}]", f"name = {name}"]
    for key, value in options.items():
        lines.append(f"{key} =" + (f" {value}" if isinstance(value, str) else "".join(f"\n    {one}" for one in value)))
    return "\n".join(lines)


def _top(layers: Iterable[Sequence[str]]) -> list[str]:
    """Layers by their first folder, each once."""
    found = list(dict.fromkeys(tuple(dict.fromkeys(name.split(".")[0] for name in layer)) for layer in layers))
    return [" | ".join(layer) for layer in found]


def _folders_of_modules() -> dict[str, list[str]]:
    """Folders that hold modules and nothing else, with their layers."""
    folders: dict[str, list[str]] = {}
    for layer in modules.LAYERS:
        for name in layer:
            folder, dot, inner = name.rpartition(".")
            if dot:
                folders.setdefault(folder, []).append(inner)
    return folders


def _hidden(name: str) -> list[str]:
    """The files of a module that are not themselves part of its public interface."""
    module = importlib.import_module(name)
    children = {child.name for child in pkgutil.iter_modules(module.__path__)}
    return [f"{name}.{child}" for child in sorted(children - set(getattr(module, "__all__", ())))]


def configuration() -> str:
    """The contracts as import-linter reads them."""
    names = [f"app.{name}" for name in modules.NAMES]
    contracts = [
        "[importlinter]\nroot_package = app",
        _contract(
            "calls go down",
            type="layers",
            containers=["app"],
            exhaustive="true",
            layers=_top([*modules.ROOTS, *modules.LAYERS]),
        ),
        _contract(
            "core has layers",
            type="layers",
            containers=["app.core"],
            exhaustive="true",
            layers=[" | ".join(layer) for layer in modules.CORE_LAYERS],
        ),
        _contract("modules have layers inside", type="layers", containers=names, layers=INNER_LAYERS),
        _contract(
            "production does not know the simulator",
            type="protected",
            protected_modules=["app.simulator"],
            allowed_importers=["app.cli", "app.demo", "app.processes.dev"],
        ),
        _contract(
            "the live gateway has no database",
            type="forbidden",
            source_modules=["app.live.gateway"],
            forbidden_modules=["app.core.db", "app.core.events", "app.core.jobs", "app.mall", "app.payments"],
            allow_indirect_imports="true",
        ),
    ]
    for folder, inner in _folders_of_modules().items():
        contracts.append(
            _contract(
                f"calls go down in {folder}",
                type="layers",
                containers=[f"app.{folder}"],
                exhaustive="true",
                layers=inner,
            )
        )
    contracts += [
        _contract(
            f"the public interface of {name}",
            type="protected",
            protected_modules=_hidden(name),
            allowed_importers=[name, *(["app.processes.gateway"] if name == "app.live" else [])],
        )
        for name in names
    ]
    return "\n\n".join(contracts) + "\n"


def check(root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run import-linter in a process of its own: it silences every logger of the process that it runs in."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "contracts.ini"
        file.write_text(configuration())
        code = f"from importlinter.cli import lint_imports; raise SystemExit(lint_imports(config_filename={str(file)!r}, no_cache=True))"
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=root)


if __name__ == "__main__":
    done = check()
    sys.stdout.write(done.stdout + done.stderr)
    sys.exit(done.returncode)
