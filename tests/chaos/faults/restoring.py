"""Connections are refused while the curator restores its state, after a kill of its worker."""

from functools import partial

from tests.chaos.proxy import Proxy
from tests.chaos.scene import FaultClass, Scene

_KILLS = 8


def run(scene: Scene) -> None:
    [proxy] = scene.cluster.proxies
    for _ in scene.rounds(_KILLS):
        [worker] = scene.fleet.processes
        with scene.fault("connections refused while the curator restores"):
            enough = proxy.connections + scene.chance.randint(6, 16)
            scene.fleet.kill(worker)
            # The state is read over connections that are opened last: some are let through.
            scene.until(partial(_opened, proxy, enough), 20)
            proxy.refuse()
            scene.pause(scene.chance.uniform(1.0, 6.0))
            proxy.heal()


def _opened(proxy: Proxy, count: int) -> bool:
    return proxy.connections >= count


FAULT = FaultClass("restoring", "connections refused while the curator restores", run, proxied=True)
