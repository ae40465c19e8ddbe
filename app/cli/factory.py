"""The API as uvicorn's processes build it."""

from fastapi import FastAPI

from app.core.settings import Settings
from app.development import with_wechat
from app.main import create_app


def build() -> FastAPI:
    return create_app(with_wechat(Settings()))
