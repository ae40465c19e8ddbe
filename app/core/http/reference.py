"""The interactive reference at `/docs` and the list of error codes at `/docs/errors`, served without any other host."""

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from app.core.auth import public
from app.core.errors import AppError
from app.core.http.problems import OF_NO_OPERATION
from app.core.http.published import Document
from app.core.http.shapes import codes_of

_ASSETS = "/docs/assets"

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Siyu: error codes</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}}
table{{border-collapse:collapse;width:100%}}td,th{{border-bottom:1px solid #ddd;padding:.4rem .6rem;text-align:left;
vertical-align:top}}code{{white-space:nowrap}}:target{{background:#fff6d6}}</style>
<h1>Error codes</h1><p>Every refusal is <code>application/problem+json</code>, but for two: WeChat's callbacks answer in
WeChat's form (<code>{{"code": "FAIL", "message": …}}</code>, of which the status says which error it is), and an open live
socket sends the code in an <code>error</code> frame. Branch on <code>code</code>, show <code>detail</code>; it is English
or Chinese by <code>Accept-Language</code>.</p>
<table><tr><th>status<th>code<th>what it says<th>中文<th>meaning<th>answered by</tr>{rows}</table></html>"""

_FEW = 4


def serve_reference(app: FastAPI) -> None:
    """Serve `/docs`, to which `/` leads, and the files that it needs. The app was made with `docs_url=None`."""
    app.mount(_ASSETS, StaticFiles(directory=Path(str(files("fastapi_swagger") / "resources"))), name="reference")

    @app.get("/", include_in_schema=False, dependencies=[public])
    async def front() -> RedirectResponse:
        return RedirectResponse("/docs")

    @app.get("/docs", include_in_schema=False, dependencies=[public])
    async def reference() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=f"{app.title}: reference",
            swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{_ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{_ASSETS}/favicon-32x32.png",
        )


def serve_error_codes(app: FastAPI, elsewhere: Mapping[str, Sequence[type[AppError]]]) -> None:
    """Serve `/docs/errors`: every code that somebody can receive, from the classes themselves, and who answers it.

    `elsewhere` are the errors that something else than an operation answers.
    """

    @app.get("/docs/errors", include_in_schema=False, dependencies=[public])
    async def error_codes() -> HTMLResponse:
        rows = ""
        for code, answerers in sorted(_answerers(app.openapi(), elsewhere).items()):
            error = AppError.registry[code]
            rows += (
                f'<tr id="{code}"><td>{error.status_code}<td><code>{code}</code><td>{escape(error.en)}<td>{escape(error.zh)}'
                f"<td>{escape((error.__doc__ or '').strip())}<td>{escape(', '.join(answerers))}</tr>"
            )
        return HTMLResponse(_PAGE.format(rows=rows))


def _answerers(document: Document, elsewhere: Mapping[str, Sequence[type[AppError]]]) -> dict[str, list[str]]:
    """Who answers each code: operations by their ids, or how many they are."""
    found: dict[str, list[str]] = {}
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    for operation in operations:
        for code in {code for response in operation["responses"].values() for code in codes_of(response)}:
            found.setdefault(code, []).append(operation["operationId"])
    for code, names in found.items():
        if len(names) > _FEW:
            found[code] = ["every operation" if len(names) == len(operations) else f"{len(names)} operations"]
    for answerer, errors in ({"any other address": OF_NO_OPERATION} | dict(elsewhere)).items():
        for error in errors:
            found.setdefault(error.code(), []).append(answerer)
    return found
