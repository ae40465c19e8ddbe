"""Siyu: a headless social-commerce backend. The floors are drawn in ARCHITECTURE.md."""
