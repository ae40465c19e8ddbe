"""What the lane of generated clients reads: the documents, and the request bodies that the pages show.

`python -m tests.contract.documents` writes them into `made/`.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.core.http.audiences import Audience, part_for
from app.live.asyncapi import asyncapi_document
from app.processes.api import SHARED
from tests.architecture.surface import openapi, template_of

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_COMMAND = re.compile(r"""curl [^\n|]*?(?:-X (\w+) )?\$API(/v1/\S+)[^\n|]*? --json ('[^']*'|"(?:[^"\\]|\\.)*")""")
_SET = re.compile(r"""^([A-Z]+)=("(?:[^"\\]|\\.)*")$""", re.M)


def bodies_of(pages: str) -> Iterator[tuple[str, str, Any]]:
    """Method, address and body of each command that sends JSON."""
    texts = {f"${name}": _unquoted(value) for name, value in _SET.findall(pages)}
    for method, address, quoted in _COMMAND.findall(pages):
        text = _unquoted(quoted)
        while text != (filled := re.sub(r"\$[A-Z]+", lambda name: texts.get(name[0], "an-id"), text)):
            text = filled
        yield method or "POST", address, json.loads(text)


def _unquoted(text: str) -> str:
    return text[1:-1] if text.startswith("'") else re.sub(r"\\(.)", r"\1", text[1:-1])


def shown() -> list[tuple[str, str, Any]]:
    """Address, method and body of whatever the pages tell to send."""
    found = bodies_of("\n".join(page.read_text() for page in PAGES))
    return [(template_of(address.strip('"')) or address, method.lower(), body) for method, address, body in found]


def main() -> None:
    made = HERE / "made"
    made.mkdir(exist_ok=True)
    documents = {"openapi": openapi(), "asyncapi": asyncapi_document()}
    documents |= {f"openapi.{audience.value}": part_for(openapi(), audience, SHARED) for audience in Audience}
    for name, document in documents.items():
        (made / f"{name}.json").write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    calls = [f"send({', '.join(json.dumps(part, ensure_ascii=False) for part in call)});" for call in shown()]
    assert len(calls) > 10, "the pages show the commands in another way"
    (made / "pages.ts").write_text("\n".join(['import { send } from "../client.ts";', "", *calls]) + "\n")


if __name__ == "__main__":
    main()
