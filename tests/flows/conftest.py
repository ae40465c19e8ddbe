"""The live room of the shop's store and its host, as the tests of live rooms have them."""

from tests.modules.live.conftest import host, room

__all__ = ["host", "room"]
