"""A TCP proxy between the worker and the broker that cuts, stalls, slows and refuses."""

from tests.chaos.scene import FaultClass, Scene

_FAULTS = 12


def run(scene: Scene) -> None:
    [proxy] = scene.cluster.proxies
    for number in scene.rounds(_FAULTS):
        kind = ("cut", "refuse", "stall", "slow")[number % 4]
        seconds = scene.chance.uniform(2.0, 12.0)
        with scene.fault(f"connections: {kind}"):
            match kind:
                case "cut":
                    for _ in range(5):
                        proxy.cut()
                        scene.pause(scene.chance.uniform(0.05, 0.5))
                case "refuse":
                    proxy.refuse()
                    scene.pause(seconds)
                case "stall":
                    proxy.stall()
                    scene.pause(seconds)
                case "slow":
                    proxy.slow(scene.chance.uniform(0.02, 0.2))
                    scene.pause(seconds)
            proxy.heal()
    scene.notes["connections"] = len(proxy.clients)


FAULT = FaultClass("network", "a proxy cuts, stalls, slows, refuses", run, proxied=True)
