"""What customers gives to the processes."""

from app.core.manifest import Manifest
from app.customers import routes
from app.customers.models import Address, Customer, Identity

MANIFEST = Manifest(
    routers=routes.routers,
    tags={
        "customers": "Login, profile and address book.",
    },
    tables=[Customer, Identity, Address],
)
