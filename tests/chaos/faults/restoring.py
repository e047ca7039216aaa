"""Connections fail while the curator restores its state, after a kill of its worker.

The state is read by consumers with the client id of aiokafka; all others have ids of their own. In
every other round those are refused for a while. In the others all connections are reset as soon as
one of those consumers has connected, and new ones are refused for a while.
"""

from functools import partial

from tests.chaos.proxy import Proxy
from tests.chaos.scene import FaultClass, Scene

_KILLS = 8
_RESTORING = "aiokafka-0"
_SECONDS = 60.0


def run(scene: Scene) -> None:
    [proxy] = scene.cluster.proxies
    for number in scene.rounds(_KILLS):
        [worker] = scene.fleet.processes
        if number % 2:
            before = proxy.forwarded(_RESTORING)
            with scene.fault("connections reset and refused while the curator restores"):
                scene.fleet.kill(worker)
                scene.await_true("the curator restores", partial(_more, proxy, before), _SECONDS)
                proxy.refuse()
                scene.pause(scene.chance.uniform(1.0, 6.0))
                proxy.heal()
        else:
            refused = proxy.refused
            with scene.fault("connections refused to the curator that restores"):
                scene.fleet.kill(worker)
                proxy.refuse_client(_RESTORING)
                scene.await_true(
                    "the curator restores", partial(_refused, proxy, refused), _SECONDS
                )
                scene.pause(scene.chance.uniform(1.0, 6.0))
                proxy.heal()


def _more(proxy: Proxy, before: int) -> bool:
    return proxy.forwarded(_RESTORING) > before


def _refused(proxy: Proxy, before: int) -> bool:
    return proxy.refused > before


FAULT = FaultClass("restoring", "connections fail while the curator restores", run, proxied=True)
