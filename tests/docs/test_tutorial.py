"""Pages of commands are run as they are printed, in one shell beside a system of their own, and print what they say."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.core.settings import Settings
from app.processes.dev import environment_of, isolated

ROOT = Path(__file__).parents[2]
PAGES = ("docs/tutorial.md", "docs/simulator.md")
"""In the order of their running: later ones use variables of earlier ones."""

TOOLS = ("bash", "curl", "jq", "python3")
START_WITHIN_S, RUN_WITHIN_S, STOP_WITHIN_S = 100, 140, 40


@dataclass(frozen=True)
class Block:
    """Commands of a page, and what the page says that they print; None when it does not say."""

    name: str
    commands: str
    reply: str | None


def blocks_of(page: str, text: str) -> list[Block]:
    """Each `sh` block, with the block without a language that follows it directly."""
    fences = list(re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    blocks = []
    for place, fence in enumerate(fences):
        if fence[1] != "sh":
            continue
        after = fences[place + 1] if place + 1 < len(fences) else None
        follows = after is not None and after[1] == "" and not text[fence.end() : after.start()].strip()
        line = text[: fence.start()].count("\n") + 1
        blocks.append(Block(f"{page}:{line}", fence[2], after[2] if after is not None and follows else None))
    return blocks


BLOCKS = [block for page in PAGES for block in blocks_of(page, (ROOT / page).read_text())]

DIFFERS = (
    (r"\b([a-z]{3})_[0-7][0-9a-hjkmnp-tv-z]{25}\b", r"\1_ID"),
    (r"\b\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r"127\.0\.0\.1:\d+", "ADDRESS"),
    (r'("number": )"\d{6}[0-9A-Z]{12}"', r'\1"NUMBER"'),
    (r"\d{10,}", "NUMBER"),
    (r"\s*\n\s*", "\n"),
    (r"[ \t]+", " "),
)
"""What differs from run to run, and by what it is replaced; blanks do not count."""


def says(reply: str, printed: str) -> bool:
    """Whether that was printed: `…` stands for anything."""
    for pattern, name in DIFFERS:
        reply, printed = re.sub(pattern, name, reply.strip()), re.sub(pattern, name, printed.strip())
    pattern = r"[\s\S]*?".join(re.escape(part) for part in reply.split("…"))
    return re.fullmatch(pattern, printed) is not None


@contextmanager
def running(folder: Path) -> Iterator[Settings]:
    """`siyu dev` on ports and engines of its own."""
    settings = isolated(folder, {"environment": "test"})
    log = folder / "dev.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "dev"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment_of(settings),
            cwd=ROOT,
        )
    try:
        deadline = time.monotonic() + START_WITHIN_S
        while "Ctrl-C stops everything" not in log.read_text():
            assert process.poll() is None, log.read_text()[-4_000:]
            assert time.monotonic() < deadline, log.read_text()[-4_000:]
            time.sleep(0.1)
        yield settings
    finally:
        process.terminate()
        try:
            process.wait(STOP_WITHIN_S)
        finally:
            process.kill()  # its engines and processes end with it


def run(blocks: Sequence[Block], settings: Settings, folder: Path) -> tuple[dict[str, str], str]:
    """What each block printed, as far as they got, and everything."""
    bin_folder = f"{Path(sys.executable).parent}/"
    script = "set -euo pipefail\n" + "".join(
        f"printf '\\n@@@ %s\\n' '{block.name}'\n{block.commands.replace('.venv/bin/', bin_folder)}" for block in blocks
    )
    output = folder / "page.log"
    own = {
        "API": settings.public_url,
        "SIM": f"http://127.0.0.1:{settings.simulator_port}",
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(folder),
    }
    with output.open("wb") as file:
        shell = subprocess.Popen(
            ["bash", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment_of(settings) | own,
            cwd=ROOT,
            start_new_session=True,
        )
    try:
        with suppress(subprocess.TimeoutExpired):
            shell.wait(RUN_WITHIN_S)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)  # with what it left in the background
        shell.wait()
    printed = output.read_text()
    parts = re.split(r"^@@@ (.+)\n", printed, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True)), f"exit code {shell.returncode}\n{printed}"


@pytest.mark.skipif(any(shutil.which(tool) is None for tool in TOOLS), reason=f"the pages need {', '.join(TOOLS)}")
def test_the_pages_run_as_they_are_printed() -> None:
    with tempfile.TemporaryDirectory(prefix="siyu-pages-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # root's database runs as another user, who has to pass through
        with running(folder) as settings:
            printed, everything = run(BLOCKS, settings, folder)
    reached = [block.name for block in BLOCKS if block.name in printed]
    assert everything.startswith("exit code 0\n"), f"ended in {reached[-1:]}: {everything[-4_000:]}"
    wrong = [
        f"{block.name} says\n{block.reply}\nand printed\n{printed[block.name]}"
        for block in BLOCKS
        if block.reply is not None and not says(block.reply, printed[block.name])
    ]
    assert not wrong, "\n\n".join(wrong)


def test_no_command_waits_without_an_end() -> None:
    endless = [block.name for block in BLOCKS if re.search(r"\b(while|until)\b", block.commands)]
    assert endless == [], "`retry` gives up"


@pytest.mark.skipif(shutil.which("bash") is None, reason="it is a function of bash")
def test_what_the_pages_wait_with_gives_up() -> None:
    (retry,) = re.findall(r"^retry\(\) .+$", "".join(block.commands for block in BLOCKS), re.MULTILINE)
    script = f"set -e\n{retry}\nsleep() {{ :; }}\nretry true\nretry test 1 = 2\necho reached"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "given up after 30 s: test 1 = 2\n")


def test_the_readmes_call_is_the_tutorials() -> None:
    commands = {block.commands for block in BLOCKS}
    for page in ("README.md", "README.zh-CN.md"):
        shown = blocks_of(page, (ROOT / page).read_text())
        assert len(shown) == 1, f"{page} shows one call"
        assert all(line in "".join(commands) for line in shown[0].commands.splitlines()), page


@pytest.mark.parametrize(
    ("reply", "printed", "same"),
    [
        ('{"id": "ord_01m8afcpj3ee7bmhn48szrw8by", …}', '{"id": "ord_01m803n0f0e6qrq8ejy0kjby6t", "sum": 1}', True),
        ('{"id": "ord_01m8afcpj3ee7bmhn48szrw8by"}', '{"id": "tip_01m803n0f0e6qrq8ejy0kjby6t"}', False),
        ('{\n  "paid_fen": 25600\n}', '{\n  "paid_fen": 25601\n}', False),
        ('{\n  …\n  "paid_fen": 1\n}', '{\n  "status": "paid",\n  "paid_fen": 1\n}', True),
        ("{\n  …\n}", '{\n  "a": 1\n}\n{\n  "b": 1\n}', True),
        ('"2026-11-25T23:06:58.182Z"', '"2027-01-01T00:00:00Z"', True),
        ('{"status": "paid"}', '{"status": "unpaid"}', False),
    ],
)
def test_what_is_compared(reply: str, printed: str, same: bool) -> None:
    assert says(reply, printed) is same
