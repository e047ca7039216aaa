"""An Apache Kafka with TLS, SASL and an authorizer, whose certificates are made for the test."""

import contextlib
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from streams.kafka.embedded.broker import EmbeddedBroker
from streams.kafka.embedded.ports import LOOPBACK, reserved_port
from tests.certificates import Certificates

PASSWORD = "correct horse"
_MECHANISMS = (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)
_AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"


class Listener(StrEnum):
    """A way into the broker. The broker's own PLAINTEXT listener has no name here."""

    SASL = "SASL"
    """SASL_PLAINTEXT with PLAIN and both SCRAM mechanisms."""
    SASL_TLS = "SASLTLS"
    """SASL_SSL with SCRAM-SHA-512."""
    MUTUAL = "MUTUAL"
    """SSL. Clients need a certificate."""
    EXPIRED = "EXPIRED"
    """SSL with a certificate that has expired."""
    OTHER_HOST = "OTHERHOST"
    """SSL with a certificate for another host."""
    ADVERTISED = "ADVERTISED"
    """PLAINTEXT. Its clients are sent on to a name that does not exist."""

    @property
    def protocol(self) -> str:
        """The security protocol."""
        match self:
            case Listener.SASL:
                return "SASL_PLAINTEXT"
            case Listener.SASL_TLS:
                return "SASL_SSL"
            case Listener.ADVERTISED:
                return "PLAINTEXT"
        return "SSL"


class SecuredBroker(EmbeddedBroker):
    """A broker with all listeners. Its PLAINTEXT listener is for the test's administrator."""

    def __init__(self, directory: Path, certificates: Certificates) -> None:
        super().__init__(directory)
        self.certificates = certificates
        self._ports: dict[Listener, int] = {}

    def at(self, listener: Listener, host: str = LOOPBACK) -> str:
        """``host:port`` of a listener."""
        return f"{host}:{self._ports[listener]}"

    def start(self) -> str:
        """See EmbeddedBroker."""
        with contextlib.ExitStack() as stack:
            for listener in Listener:
                port = self._ports.get(listener, 0)
                self._ports[listener] = stack.enter_context(reserved_port(port))
            return super().start()

    @contextlib.contextmanager
    def admin(self) -> Iterator[KafkaAdminClient]:
        """A client that may do everything."""
        with contextlib.closing(KafkaAdminClient(bootstrap_servers=self.address)) as admin:
            yield admin

    def set_password(self, user: str, password: str = PASSWORD) -> None:
        """Create a user of both SCRAM mechanisms, or change its password."""
        with self.admin() as admin:
            for mechanism in _MECHANISMS:  # Kafka takes one change of a user in a request
                change = UserScramCredentialUpsertion(user, mechanism, password)
                assert admin.alter_user_scram_credentials([change]) == {user: None}

    def allow(self, user: str, operation: str, resource: str, name: str) -> None:
        """Add an ACL. A ``name`` that ends in a star is a prefix."""
        with self.admin() as admin:
            assert not admin.create_acls([_acl(user, operation, resource, name)])["failed"]

    def forbid(self, user: str, operation: str, resource: str, name: str) -> None:
        """Take away what ``allow`` added."""
        with self.admin() as admin:
            [(_, deleted, *_)] = admin.delete_acls([_acl(user, operation, resource, name)])
            assert len(deleted) == 1

    def _configure(self, controller_port: int) -> Path:
        properties = super()._configure(controller_port)
        certificates = self.certificates
        listeners = [f"PLAINTEXT://{LOOPBACK}:{self._port}"]
        advertised = list(listeners)
        listeners.append(f"CONTROLLER://{LOOPBACK}:{controller_port}")
        protocols = ["PLAINTEXT:PLAINTEXT", "CONTROLLER:PLAINTEXT"]
        for listener, port in self._ports.items():
            listeners.append(f"{listener}://{LOOPBACK}:{port}")
            host = "nowhere.invalid" if listener is Listener.ADVERTISED else LOOPBACK
            advertised.append(f"{listener}://{host}:{port}")
            protocols.append(f"{listener}:{listener.protocol}")
        lines = [
            f"listeners={','.join(listeners)}",
            f"advertised.listeners={','.join(advertised)}",
            f"listener.security.protocol.map={','.join(protocols)}",
            f"authorizer.class.name={_AUTHORIZER}",
            "super.users=User:ANONYMOUS",
            "allow.everyone.if.no.acl.found=false",
            "ssl.truststore.type=PEM",
            f"ssl.truststore.location={certificates.authority}",
            "ssl.keystore.type=PEM",
        ]
        keys = {
            Listener.SASL_TLS: certificates.server,
            Listener.MUTUAL: certificates.server,
            Listener.EXPIRED: certificates.expired,
            Listener.OTHER_HOST: certificates.other_host,
        }
        for listener, pair in keys.items():
            lines.append(f"{_of(listener)}.ssl.keystore.location={pair}")
        lines.append(f"{_of(Listener.MUTUAL)}.ssl.client.auth=required")
        mechanisms = {
            Listener.SASL: ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
            Listener.SASL_TLS: ("SCRAM-SHA-512",),
        }
        package = "org.apache.kafka.common.security"
        for listener, enabled in mechanisms.items():
            lines.append(f"{_of(listener)}.sasl.enabled.mechanisms={','.join(enabled)}")
            for mechanism in enabled:
                module = (
                    f'{package}.plain.PlainLoginModule required user_plain="{PASSWORD}"'
                    if mechanism == "PLAIN"
                    else f"{package}.scram.ScramLoginModule required"
                )
                name = f"{_of(listener)}.{mechanism.lower()}.sasl.jaas.config"
                lines.append(f"{name}={module};")
        # Of two values of a name, Java takes the last.
        with properties.open("a", encoding="utf-8") as file:
            file.write("\n" + "\n".join(lines) + "\n")
        return properties


def _acl(user: str, operation: str, resource: str, name: str) -> ACL:
    kind = ACLResourcePatternType.PREFIXED if name[-1] == "*" else ACLResourcePatternType.LITERAL
    pattern = ResourcePattern(ResourceType[_constant(resource)], name.removesuffix("*"), kind)
    allowed = ACLPermissionType.ALLOW
    return ACL(f"User:{user}", "*", ACLOperation[_constant(operation)], allowed, pattern)


def _constant(name: str) -> str:
    """``transactional id`` or ``DescribeConfigs`` as kafka-python names it."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|\s", "_", name).upper()


def _of(listener: Listener) -> str:
    return f"listener.name.{listener.lower()}"
