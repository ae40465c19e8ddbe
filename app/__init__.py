"""Siyu: a headless social-commerce backend. The layers are drawn in ARCHITECTURE.md."""

__version__ = "0.2.0.dev0"
