"""What the pages name exists: links, addresses, settings, metrics, commands, codes, consumers and snippets of the code."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from prometheus_client import REGISTRY

from app import __version__, modules
from app.cli import app as commands
from app.core.errors import AppError
from app.core.events import Relay
from app.core.settings import Settings
from app.ledger import Account
from app.live.gateway import metrics
from app.simulator.controls import Reason
from tests.architecture.surface import openapi, routes

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text() for page in PAGES}
TODAY = {page: text for page, text in TEXTS.items() if page != "CHANGELOG.md"}
"""The changelog alone names what is gone."""


def found(pattern: str, texts: dict[str, str] = TODAY) -> Iterator[tuple[str, re.Match[str]]]:
    for page, text in texts.items():
        for match in re.finditer(pattern, text):
            yield page, match


def anchors(text: str) -> set[str]:
    """The addresses of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere() -> None:
    broken = []
    for page, link in found(r"\[[^\]]+\]\(([^)\s]+)\)", TEXTS):
        target, _, anchor = link[1].partition("#")
        if target.startswith(("http:", "https:")):
            continue
        file = (ROOT / page).parent / target if target else ROOT / page
        if not file.exists() or (anchor and anchor not in anchors(file.read_text())):
            broken.append(f"{page}: {link[1]}")
    assert broken == []


def test_addresses_are_answered() -> None:
    def plain(address: str) -> str:
        return re.sub(r"\{\w+\}|\$\w+", "*", address.partition("?")[0].partition("[")[0])

    known = {(method, plain(route.path)) for route in routes() for method in route.methods or ()}
    known.add(("GET", "/v1/live/socket"))
    wrong = [
        f"{page}: {call[0]}"
        for page, call in found(r"\b(GET|POST|PUT|DELETE) (/(?:v1|health|metrics|docs)[^\s`|,;)]*)")
        if "…" not in call[2] and (call[1], plain(call[2])) not in known
    ]
    assert wrong == []
    known_paths = {path for _, path in known}
    unknown = [
        f"{page}: {path[1]}"
        for page, path in found(r"`(/v1/[^\s`]*)`")
        if "…" not in path[1]
        and plain(path[1]) not in known_paths
        and page != "docs/decisions/0029-being-paid-is-one-procedure.md"
    ]
    assert unknown == [], "0029 alone names addresses that are gone"


OF_TESTS = {"SIYU_UPDATE_SNAPSHOTS"}


def test_settings_are_there_and_documented() -> None:
    settings = {f"SIYU_{name.upper()}" for name in Settings.model_fields}
    for own in modules.settings():
        prefix = own.model_config.get("env_prefix")
        settings |= {str(one.validation_alias or f"{prefix}{name}").upper() for name, one in own.model_fields.items()}
    named = {(page, match[0]) for page, match in found(r"\bSIYU_[A-Z0-9]+(?:_[A-Z0-9]+)*\b")}
    assert sorted((page, name) for page, name in named if name not in settings | OF_TESTS) == []
    documented = {name for page, name in named if page == "docs/configuration.md"}
    assert settings - documented == set()


def test_metrics_are_there() -> None:
    families = {family.name for registry in (REGISTRY, metrics.REGISTRY) for family in registry.collect()}
    named = {(page, match[1].removesuffix("_total")) for page, match in found(r"`(siyu_[a-z_]+)`")}
    assert len(named) > 5
    assert sorted(name for name in named if name[1] not in families) == []


def test_commands_can_be_run() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wrong = [f"{page}: {match[0]}" for page, match in found(r"(?:`|^)make ([a-z]+)") if match[1] not in targets]
    names = {command.name or getattr(command.callback, "__name__", "") for command in commands.registered_commands}
    names |= {group.name or "" for group in commands.registered_groups}
    wrong += [f"{page}: {match[0]}" for page, match in found(r"`siyu ([a-z]+)[ `]") if match[1] not in names]
    assert wrong == []


def test_codes_are_answered() -> None:
    assert routes(), "making the app makes every error known"
    named = {(page, match[1]) for page, match in found(r"\b[45]\d\d `([a-z]+(?:_[a-z]+)+)`")}
    assert len(named) > 5
    simulators = set(get_args(Reason.model_fields["code"].annotation))
    assert sorted(code for code in named if code[1] not in AppError.registry.keys() | simulators) == []


def test_architecture_names_every_consumer() -> None:
    rows = re.findall(r"^\| `([a-z.]+)` \| (relay|transactional) \| ([^|]+) \|", TEXTS["ARCHITECTURE.md"], re.MULTILINE)
    told = {name: (kind, set(re.findall(r"`(\w+)`", events))) for name, kind, events in rows}
    assert told == {
        consumer.name: (
            "relay" if isinstance(consumer, Relay) else "transactional",
            {event.__name__ for event in consumer.events},
        )
        for consumer in modules.consumers()
    }


def test_architecture_names_every_module() -> None:
    (layers,) = re.findall(r"^## Layers\n\n```\n(.*?)^```", TEXTS["ARCHITECTURE.md"], re.MULTILINE | re.DOTALL)
    drawn = [re.split(r" {2,}", line)[0].split(" | ") for line in layers.splitlines()]
    assert drawn[2:] == [list(layer) for layer in modules.LAYERS]


def test_the_version_is_the_one_that_the_changelog_works_at() -> None:
    (coming,) = re.findall(r"^## \[Unreleased\]\n\nTo be (\d+\.\d+\.\d+)\.", TEXTS["CHANGELOG.md"], re.MULTILINE)
    assert __version__ == f"{coming}.dev0"
    assert openapi()["info"]["version"] == __version__


def test_every_folder_of_tests_is_named() -> None:
    folders = {f"tests/{folder.name}" for folder in (ROOT / "tests").iterdir() if (folder / "__init__.py").exists()}
    for page in ("ARCHITECTURE.md", "CONTRIBUTING.md"):
        named = set(re.findall(r"`(tests/\w+)[`/]", TEXTS[page].partition("\n## Tests\n")[2]))
        assert folders - named == set(), page


def test_the_ledgers_page_lists_every_account() -> None:
    (table,) = re.findall(r"^## Accounts\n(.*?)^## ", TEXTS["docs/ledger.md"], re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`(\w+)`", table)) == {account.value for account in Account}


def test_every_decision_is_in_the_index() -> None:
    pages = {page: text for page, text in TEXTS.items() if re.match(r"docs/decisions/\d", page)}
    listed = re.findall(r"^\| (\d+) \| \[(.+)\]\((.+)\) \|$", TEXTS["docs/decisions/README.md"], re.MULTILINE)
    assert [int(number) for number, _, _ in listed] == list(range(1, len(pages) + 1))
    for number, title, file in listed:
        text = pages[f"docs/decisions/{file}"]
        assert text.startswith(f"# {number}. {title}\n\n**Status:** ")
        assert file.startswith(f"{int(number):04}-")
        order = [text.index(part) for part in ("**Context.**", "**Decision.**", "**Consequences**")]
        assert order == sorted(order), file


SNIPPETS = re.findall(r"^```python\n# (\S+\.py)\n(.*?)^```$", TEXTS["CONTRIBUTING.md"], re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("file", "snippet"), SNIPPETS, ids=[file for file, _ in SNIPPETS])
def test_snippets_stand_in_the_code(file: str, snippet: str) -> None:
    """Between two `…` the lines follow each other in the file, and the parts come in its order."""
    code, place = (ROOT / file).read_text(), 0
    for part in re.split(r"^…\n", snippet, flags=re.MULTILINE):
        at = code.find(part, place)
        assert at >= 0, f"{file} has not\n{part}"
        place = at + len(part)


def test_there_are_snippets() -> None:
    assert len(SNIPPETS) > 10
