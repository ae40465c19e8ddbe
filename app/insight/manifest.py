"""What insight gives to the processes."""

from app.core.manifest import Manifest
from app.insight import routes

MANIFEST = Manifest(
    routers=routes.routers,
    tags={
        "insight": "Readings across modules, for staff.",
    },
)
