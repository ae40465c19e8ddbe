"""A local WeChat: WeChat Pay and the mini-program's server API by the same wire protocols, plus its own controls.

    keys = load_or_make(data_dir / "simulator")
    await serve(keys, port=8002)                                    # on a socket, until cancelled
    settings = settings_for(settings, keys, "http://127.0.0.1:8002")    # the product's settings that point at it

In one process without sockets it is an ASGI application, and `post` takes its notifications:
`create_simulator(keys, post=to_the_api)`.

It verifies each request's signature over the raw bytes and signs each reply, so that what works here has been signed
and verified as at WeChat. It may import `app.wechat`; no production module may import it.
"""

from app.simulator.application import create_simulator
from app.simulator.keys import SimulatorKeys, load_or_make, make_keys, settings_for
from app.simulator.server import serve
from app.simulator.state import Simulator

__all__ = [
    "Simulator",
    "SimulatorKeys",
    "create_simulator",
    "load_or_make",
    "make_keys",
    "serve",
    "settings_for",
]
