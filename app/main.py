"""The API as an ASGI server builds it: `uvicorn --factory app.main:app`."""

from fastapi import FastAPI

from app.processes.api import create_app
from app.processes.dev import configuration, with_wechat

__all__ = ["app", "create_app"]


def app() -> FastAPI:
    """The API on what the environment names; outside production WeChat may be the simulator."""
    return create_app(with_wechat(configuration()))
