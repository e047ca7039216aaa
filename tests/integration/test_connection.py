"""Each wrong connection says what is wrong with it and what to do, from every way in."""

import asyncio
import http.server
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient

from schemas.errors import BrokerError, BrokerUnavailable
from streams.kafka.admin.creation import create_topics
from streams.kafka.cluster import Cluster
from streams.kafka.connection.clients import connect, start
from streams.kafka.connection.diagnosis import diagnose
from streams.kafka.embedded.ports import reserved_port
from streams.settings import KafkaSettings
from tests.integration.commands import backstream
from tests.integration.secured_broker import PASSWORD, Listener, SecuredBroker


def sasl(**changed: Any) -> dict[str, Any]:
    user = {"sasl_username": "alice", "sasl_password": PASSWORD, "sasl_mechanism": "SCRAM-SHA-512"}
    return {"security_protocol": "SASL_PLAINTEXT", **user, **changed}


def at(secured: SecuredBroker, listener: Listener | None, settings: dict[str, Any]) -> Cluster:
    """The cluster of settings in which certificates have the names of their files."""
    address = secured.at(listener) if listener else secured.address
    files = {
        name: getattr(secured.certificates, value) if name.startswith("ssl_") else value
        for name, value in settings.items()
    }
    return KafkaSettings(bootstrap_servers=address, **files).cluster()


TLS = {"security_protocol": "SSL", "ssl_cafile": "authority"}
OWN = {"ssl_certfile": "client"}
SASL_TLS = {"security_protocol": "SASL_SSL", "ssl_cafile": "authority"}

GOOD = {
    "without": (None, {}),
    "SASL PLAIN": (Listener.SASL, sasl(sasl_mechanism="PLAIN", sasl_username="plain")),
    "SCRAM-SHA-256": (Listener.SASL, sasl(sasl_mechanism="SCRAM-SHA-256")),
    "SCRAM-SHA-512": (Listener.SASL, sasl()),
    "SASL and TLS": (Listener.SASL_TLS, sasl(**SASL_TLS)),
    "mutual TLS": (Listener.MUTUAL, {**TLS, **OWN}),
}
BAD = {
    "wrong password": (
        Listener.SASL_TLS,
        sasl(**SASL_TLS, sasl_password="guess"),
        "refuses the user alice with SCRAM-SHA-512 .*invalid credentials.*check kafka.sasl_usern",
    ),
    "wrong password, PLAIN": (
        Listener.SASL,
        sasl(sasl_mechanism="PLAIN", sasl_username="plain", sasl_password="guess"),
        "refuses the user plain with PLAIN .*check kafka.sasl_username and kafka.sasl_password",
    ),
    "unknown user": (Listener.SASL, sasl(sasl_username="bob"), "refuses the user bob with SCRAM"),
    "wrong mechanism": (
        Listener.SASL_TLS,
        sasl(**SASL_TLS, sasl_mechanism="SCRAM-SHA-256"),
        "does not offer the SASL mechanism SCRAM-SHA-256, but SCRAM-SHA-512: set kafka.sasl_mech",
    ),
    "SASL to a listener without": (
        None,
        sasl(),
        "is a listener without SASL: set kafka.security_protocol to PLAINTEXT",
    ),
    "SASL and TLS to a listener without SASL": (
        Listener.MUTUAL,
        sasl(**SASL_TLS, **OWN),
        "is a listener without SASL: set kafka.security_protocol to SSL",
    ),
    "no SASL": (
        Listener.SASL,
        {},
        "requires SASL .*SCRAM-SHA-256.*: set kafka.security_protocol to SASL_PLAINTEXT",
    ),
    "no SASL, TLS": (
        Listener.SASL_TLS,
        TLS,
        r"requires SASL \(SCRAM-SHA-512\): set kafka.security_protocol to SASL_SSL",
    ),
    "expired": (Listener.EXPIRED, {**TLS, **OWN}, "the certificate of .* has expired: have it re"),
    "other host": (
        Listener.OTHER_HOST,
        {**TLS, **OWN},
        "the certificate of .* is not for 127.0.0.1 .*use a host name in `broker` that it is for",
    ),
    "other authority": (
        Listener.MUTUAL,
        {**TLS, **OWN, "ssl_cafile": "other_authority"},
        "was not issued by a trusted authority .*: set kafka.ssl_cafile",
    ),
    "the system's authorities": (
        Listener.MUTUAL,
        {"security_protocol": "SSL", **OWN},
        "was not issued by a trusted authority .*: set kafka.ssl_cafile",
    ),
    "no TLS to a listener with": (
        Listener.MUTUAL,
        {},
        "is a listener with TLS: set kafka.security_protocol to SSL",
    ),
    "SASL without TLS to a listener with": (
        Listener.SASL_TLS,
        sasl(),
        "is a listener with TLS: set kafka.security_protocol to SASL_SSL",
    ),
    "TLS to a listener without": (
        None,
        TLS,
        "is a listener without TLS: use the port .*, or set kafka.security_protocol to PLAINTEXT",
    ),
    "SASL and TLS to a listener without TLS": (
        Listener.SASL,
        sasl(**SASL_TLS),
        "is a listener without TLS: .*, or set kafka.security_protocol to SASL_PLAINTEXT",
    ),
    "no certificate": (
        Listener.MUTUAL,
        TLS,
        "requires a certificate of the client .*: set kafka.ssl_certfile and kafka.ssl_keyfile",
    ),
    "certificate of another authority": (
        Listener.MUTUAL,
        {**TLS, "ssl_certfile": "stranger"},
        r"refuses the client's certificate .*stranger.pem .*: have it issued by an authority that",
    ),
    "expired certificate": (
        Listener.MUTUAL,
        {**TLS, "ssl_certfile": "expired_client"},
        r"refuses the client's certificate .*expired-client.pem .*: it has expired at ",
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_right_connects(secured: SecuredBroker, name: str) -> None:
    cluster = at(secured, *GOOD[name])
    for make in (KafkaConsumer, KafkaAdminClient):
        connect(make, cluster).close()
    asyncio.run(_start(cluster))
    assert diagnose(cluster) is None


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said(secured: SecuredBroker, name: str) -> None:
    listener, settings, problem = BAD[name]
    with pytest.raises(BrokerError, match=problem) as caught:
        asyncio.run(_start(at(secured, listener, settings)))
    assert not isinstance(caught.value, BrokerUnavailable), "trying again would not help"
    assert "guess" not in str(caught.value)


@pytest.mark.parametrize("make", [KafkaConsumer, KafkaProducer, KafkaAdminClient])
def test_a_client_that_was_not_connected_leaves_no_thread(
    secured: SecuredBroker, make: type
) -> None:
    before = threading.active_count()
    listener, settings, problem = BAD["wrong password"]
    with pytest.raises(BrokerError, match=problem):
        connect(make, at(secured, listener, settings))
    assert threading.active_count() == before


def test_the_options_of_kafka_python_are_diagnosed_too(
    secured: SecuredBroker,
) -> None:
    certificates = secured.certificates
    files = {"ssl_cafile": str(certificates.authority), "ssl_certfile": str(certificates.stranger)}
    address = secured.at(Listener.MUTUAL)
    with pytest.raises(BrokerError, match=r"refuses the client's certificate .*stranger.pem"):
        connect(
            KafkaConsumer,
            Cluster({"bootstrap_servers": address, "security_protocol": "SSL", **files}),
        )


@pytest.mark.parametrize("tls", [False, True])
def test_what_is_no_kafka_is_named(tls: bool) -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        found = diagnose(_unsecured(f"127.0.0.1:{web.server_port}", tls))
        web.shutdown()
    assert "is a web server" in str(found)
    assert not isinstance(found, BrokerUnavailable)


def test_what_may_pass_is_unavailable(secured: SecuredBroker) -> None:
    with reserved_port() as port:
        for address, problem in (
            (f"127.0.0.1:{port}", "nothing listens on .* is Kafka running"),
            ("nowhere.invalid:9092", "the name nowhere.invalid cannot be resolved"),
        ):
            with pytest.raises(BrokerUnavailable, match=problem):
                asyncio.run(_start(_unsecured(address)))


def test_an_advertised_address_that_leads_nowhere_is_named(secured: SecuredBroker) -> None:
    advertised = "answers, but sends its clients to nowhere.invalid:.* correct advertised.listeners"
    with pytest.raises(BrokerError, match=advertised):
        create_topics(_unsecured(secured.at(Listener.ADVERTISED)))


@pytest.mark.parametrize("tls", [False, True])
def test_a_listener_that_says_nothing_is_not_waited_for(tls: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = diagnose(_unsecured(f"127.0.0.1:{silent.getsockname()[1]}", tls), seconds=0.3)
    assert "accepts connections, but does not answer" in str(found)
    assert isinstance(found, BrokerUnavailable)


def test_one_address_of_several_is_enough(secured: SecuredBroker) -> None:
    assert diagnose(_unsecured(f"nowhere.invalid:9092,{secured.address}")) is None


def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(BrokerError, match="'kafka:port' is no HOST:PORT"):
        connect(KafkaConsumer, Cluster({"bootstrap_servers": "kafka:port"}))


@pytest.mark.parametrize(
    "command",
    [
        ["check"],
        ["feed", "README.md"],
        ["status"],
        ["audit"],
        ["tail", "-n", "1"],
        ["export", "-o", "out.jsonl"],
        ["dead-letters", "list"],
        ["releases", "list"],
        ["rate"],
        ["worker", "--stages", "segmenter"],
        ["trainer"],
        ["up"],
    ],
    ids=lambda command: command[0],
)
def test_commands_say_it(
    secured: SecuredBroker, command: list[str], tmp_path: Path, house: Path
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        f"""\
state_dir: {tmp_path / "state"}
broker: {secured.at(Listener.SASL_TLS)}
kafka:
  security_protocol: SASL_SSL
  ssl_cafile: {secured.certificates.authority}
  sasl_mechanism: SCRAM-SHA-512
  sasl_username: alice
  sasl_password: guess
"""
    )
    ended = backstream(*command, "-c", str(settings))
    assert ended.code == 1
    assert "refuses the user alice with SCRAM-SHA-512" in ended.text
    assert "guess" not in ended.text
    assert "Traceback" not in ended.text


def _unsecured(address: str, tls: bool = False) -> Cluster:
    protocol: Any = "SSL" if tls else "PLAINTEXT"
    return KafkaSettings(bootstrap_servers=address, security_protocol=protocol).cluster()


async def _start(cluster: Cluster) -> None:
    consumer = AIOKafkaConsumer(**cluster.client)
    await start(consumer, cluster)
    await asyncio.sleep(0)  # aiokafka cannot stop a consumer whose tasks have not begun
    await consumer.stop()
