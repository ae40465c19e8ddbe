"""What attribution gives to the processes."""

from app.attribution import routes
from app.attribution.models import Bond, FrozenLine, Promoter, RuleRow, Shelf, StaffPerson, Touch, TouchpointRow
from app.core.manifest import Manifest

MANIFEST = Manifest(
    routers=routes.routers,
    tags={
        "attribution": "Links to share, visits by them, and who is credited.",
        "attribution: staff": "How long a visit can win a sale, and for whom.",
    },
    tables=[Promoter, StaffPerson, TouchpointRow, Shelf, Touch, Bond, RuleRow, FrozenLine],
)
