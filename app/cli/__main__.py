"""`python -m app.cli`, the same as `siyu`."""

from app.cli import main

main()
