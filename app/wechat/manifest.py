"""What wechat gives to the processes: nothing yet."""

from app.core.manifest import Manifest

MANIFEST = Manifest()
