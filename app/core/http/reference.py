"""The interactive reference at `/docs` and the list of error codes at `/docs/errors`, served without any other host."""

from html import escape
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from app.core.auth import public
from app.core.errors import AppError

_ASSETS = "/docs/assets"

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Siyu: error codes</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}}
table{{border-collapse:collapse;width:100%}}td,th{{border-bottom:1px solid #ddd;padding:.4rem .6rem;text-align:left;
vertical-align:top}}code{{white-space:nowrap}}:target{{background:#fff6d6}}</style>
<h1>Error codes</h1><p>Every refusal is <code>application/problem+json</code>. Branch on <code>code</code>, show
<code>detail</code>; it is English or Chinese by <code>Accept-Language</code>.</p>
<table><tr><th>status<th>code<th>what it says<th>中文<th>meaning</tr>{rows}</table></html>"""


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


def serve_error_codes(app: FastAPI) -> None:
    """Serve `/docs/errors`: every code there is, from the classes themselves."""

    @app.get("/docs/errors", include_in_schema=False, dependencies=[public])
    async def error_codes() -> HTMLResponse:
        rows = "".join(
            f'<tr id="{code}"><td>{error.status_code}<td><code>{code}</code><td>{escape(error.en)}<td>{escape(error.zh)}'
            f"<td>{escape((error.__doc__ or '').strip())}</tr>"
            for code, error in sorted(AppError.registry.items())
        )
        return HTMLResponse(_PAGE.format(rows=rows))
