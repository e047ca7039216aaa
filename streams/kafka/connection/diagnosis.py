"""Why no client can be connected to a cluster, in one sentence.

Clients try again until their time is over, and then say that no broker answered. So when one has
failed, this connects once more, step by step: name, TCP, TLS, SASL, and the addresses that the
broker sends its clients to. Nothing here runs while clients connect.
"""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kafka.cluster import collect_hosts
from kafka.net.sasl import get_sasl_mechanism
from kafka.protocol.metadata import ApiVersionsRequest, MetadataRequest
from kafka.protocol.sasl import SaslAuthenticateRequest, SaslHandshakeRequest

from schemas.errors import BrokerError, BrokerUnavailable, SettingsError
from streams.kafka.cluster import Cluster
from streams.kafka.connection.exchange import Exchange
from streams.kafka.connection.tls import TlsContext, TlsFiles

_SECONDS = 5.0
"""How long one address may take for each step."""
_QUICK_SECONDS = 2.0
_ILLEGAL_SASL_STATE = 34
_UNSUPPORTED_MECHANISM = 33
_EXPIRED, _NOT_YET_VALID = 10, 9
_OTHER_NAME, _OTHER_ADDRESS = 62, 64
_UNKNOWN_ISSUERS = (2, 18, 19, 20, 21)
"""Codes of OpenSSL for a certificate that no trusted authority has issued."""


def diagnose(cluster: Cluster, seconds: float = _SECONDS) -> BrokerError | None:
    """Try every address of the cluster, and return why none can be used. None where one answers.

    The error is BrokerUnavailable where that may pass. Otherwise it lasts until a setting, a user
    or a certificate is changed. Blocks, ``seconds`` at most for each step at each address, and as
    long as the resolver does.
    """
    try:
        addresses = collect_hosts(cluster.address, randomize=False)
    except ValueError as error:
        return BrokerError(f"{cluster.address!r} is no HOST:PORT ({error}): check `broker`")
    failures = []
    for host, port, _ in addresses:
        try:
            return _Probe(cluster.client, host, port, seconds).advertised()
        except BrokerError as failure:
            failures.append(failure)
    return next((one for one in failures if not _may_pass(one)), next(iter(failures), None))


@dataclass(frozen=True, slots=True)
class _Probe:
    """Connections to one address."""

    client: Mapping[str, Any]
    host: str
    port: int
    seconds: float

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def protocol(self) -> str:
        return str(self.client.get("security_protocol", "PLAINTEXT"))

    @property
    def tls(self) -> bool:
        return self.protocol.endswith("SSL")

    @property
    def sasl(self) -> bool:
        return self.protocol.startswith("SASL")

    def advertised(self) -> BrokerError | None:
        """Reach this address, and then those that it sends its clients to. Raises BrokerError."""
        for broker in self.reach():
            if (broker.host, broker.port) == (self.host, self.port):
                continue
            try:
                _Probe(self.client, broker.host, broker.port, self.seconds).reach()
            except BrokerError as failure:
                return type(failure)(
                    f"{self.address} answers, but sends its clients to {broker.host}:{broker.port}."
                    f" There, {failure}. Or correct advertised.listeners in the broker's "
                    "configuration"
                )
        return None

    def reach(self) -> list[Any]:
        """Connect and authenticate. Returns the brokers of the cluster. Raises BrokerError."""
        context = self._context() if self.tls else None
        try:
            with self._connect() as plain, _encrypt(plain, context, self.host) as connection:
                exchange = Exchange(connection)
                try:
                    exchange.request(ApiVersionsRequest(version=0))
                except ConnectionError:
                    raise self._no_kafka() from None
                if self.sasl:
                    self._authenticate(exchange)
                try:
                    return list(exchange.request(MetadataRequest(version=4, topics=[])).brokers)
                except ConnectionError:
                    raise self._requires_sasl() from None
        except ssl.SSLError as error:
            raise self._tls_failure(error) from error
        except TimeoutError as error:
            raise self._silent() from error
        except OSError as error:
            if self.tls and not self._answers_tls():
                raise self._without_tls() from error
            raise BrokerUnavailable(
                f"{self.address} closes the connection ({error}): is it a Kafka broker, and does "
                "its log say why?"
            ) from error

    def _connect(self) -> socket.socket:
        try:
            connection = socket.create_connection((self.host, self.port), self.seconds)
        except socket.gaierror as error:
            raise BrokerUnavailable(
                f"the name {self.host} cannot be resolved ({error.strerror}): check the address in "
                "`broker`, and the name service of this machine"
            ) from error
        except ConnectionRefusedError as error:
            raise BrokerUnavailable(
                f"nothing listens on {self.address} (connection refused): is Kafka running, and is "
                "the port right?"
            ) from error
        except TimeoutError as error:
            raise BrokerUnavailable(
                f"{self.address} did not accept a connection in {self.seconds:.0f} s: is the "
                "address right, and does every firewall on the way let it through?"
            ) from error
        except OSError as error:
            raise BrokerUnavailable(
                f"{self.address} cannot be reached ({error.strerror or error}): check the address "
                "in `broker`, and the network"
            ) from error
        connection.settimeout(self.seconds)
        return connection

    def _context(self) -> ssl.SSLContext:
        given = self.client.get("ssl_context")
        if given is not None:
            return given  # type: ignore[no-any-return]
        files = {
            name: Path(file) if (file := self.client.get(f"ssl_{name}")) else None
            for name in ("cafile", "certfile", "keyfile")
        }
        try:
            return TlsContext.of(TlsFiles(**files, password=self.client.get("ssl_password")))
        except SettingsError as error:
            raise BrokerError(str(error)) from error

    def _authenticate(self, exchange: Exchange) -> None:
        mechanism = str(self.client.get("sasl_mechanism"))
        user = self.client.get("sasl_plain_username")
        try:
            shaken = exchange.request(SaslHandshakeRequest(version=1, mechanism=mechanism))
            if shaken.error_code == _ILLEGAL_SASL_STATE:
                other = "SSL" if self.tls else "PLAINTEXT"
                raise BrokerError(
                    f"{self.address} is a listener without SASL: set kafka.security_protocol to "
                    f"{other}, or use the port of a listener with SASL"
                )
            if shaken.error_code == _UNSUPPORTED_MECHANISM:
                raise BrokerError(
                    f"{self.address} does not offer the SASL mechanism {mechanism}, but "
                    f"{', '.join(shaken.mechanisms)}: set kafka.sasl_mechanism to what the user "
                    "was created for"
                )
            steps = get_sasl_mechanism(mechanism)(host=self.host, **self.client)
            while not steps.is_done():
                token = steps.auth_bytes()
                answer = exchange.request(SaslAuthenticateRequest(version=1, auth_bytes=token))
                if answer.error_code:
                    raise BrokerError(
                        f"{self.address} refuses the user {user} with {mechanism} "
                        f"({answer.error_message or 'without a reason'}): check "
                        "kafka.sasl_username and kafka.sasl_password, and that the broker has "
                        f"this user for {mechanism}"
                    )
                steps.receive(answer.auth_bytes)
        except ConnectionError:
            raise BrokerUnavailable(
                f"{self.address} closes the connection during SASL authentication of the user "
                f"{user} with {mechanism}: check kafka.sasl_username and kafka.sasl_password, and "
                "the broker's log"
            ) from None

    def _requires_sasl(self) -> BrokerError:
        """The failure of a listener that answers ApiVersions and nothing after that."""
        if not self.sasl:
            offered = self._mechanisms()
            if offered:
                other = "SASL_SSL" if self.tls else "SASL_PLAINTEXT"
                return BrokerError(
                    f"{self.address} requires SASL ({', '.join(offered)}): set "
                    f"kafka.security_protocol to {other}, with kafka.sasl_mechanism, "
                    "kafka.sasl_username and kafka.sasl_password"
                )
        return BrokerUnavailable(
            f"{self.address} closes the connection at a request for metadata: is it the listener "
            "of a Kafka controller? Use the address of a broker"
        )

    def _mechanisms(self) -> list[str]:
        """The SASL mechanisms of the listener, none where it has no SASL."""
        context = self._context() if self.tls else None
        try:
            with self._connect() as plain, _encrypt(plain, context, self.host) as connection:
                handshake = SaslHandshakeRequest(version=1, mechanism="")
                return list(Exchange(connection).request(handshake).mechanisms)
        except OSError:
            return []

    def _no_kafka(self) -> BrokerError:
        """The failure of what answers no request of Kafka."""
        if not self.tls and self._answers_tls():
            other = "SASL_SSL" if self.sasl else "SSL, or to SASL_SSL for a user with a password"
            return BrokerError(
                f"{self.address} is a listener with TLS: set kafka.security_protocol to {other}. "
                "Or use the port of a listener without TLS"
            )
        if self._answers_http():
            return BrokerError(f"{self.address} is a web server, not Kafka: check the port")
        return BrokerUnavailable(
            f"{self.address} accepts connections, but does not answer as Kafka does: check the "
            "address and the port"
        )

    def _silent(self) -> BrokerError:
        if not self.tls and self._answers_tls():
            return self._no_kafka()
        if self._answers_http():
            return BrokerError(f"{self.address} is a web server, not Kafka: check the port")
        return BrokerUnavailable(
            f"{self.address} accepts connections, but does not answer in {self.seconds:.0f} s: is "
            "it a Kafka broker with this security protocol, and is it overloaded or stopped?"
        )

    def _without_tls(self) -> BrokerError:
        if self._answers_http():
            return BrokerError(
                f"{self.address} is a web server without TLS, not Kafka: check the port"
            )
        other = "SASL_PLAINTEXT" if self.sasl else "PLAINTEXT"
        return BrokerError(
            f"{self.address} is a listener without TLS: use the port of a listener with TLS, or "
            f"set kafka.security_protocol to {other}"
        )

    def _tls_failure(self, error: ssl.SSLError) -> BrokerError:
        if isinstance(error, ssl.SSLCertVerificationError):
            return self._untrusted(error)
        reason = error.reason or str(error)
        if "ALERT" not in reason:
            if not self._answers_tls():
                return self._without_tls()
            return BrokerUnavailable(
                f"TLS with {self.address} fails ({reason}): do client and broker have a TLS "
                "version and cipher in common?"
            )
        own = self._own_certificate()
        if "PROTOCOL_VERSION" in reason or (own is not None and "HANDSHAKE_FAILURE" in reason):
            return BrokerError(
                f"{self.address} refuses TLS ({reason}): do client and broker have a TLS version "
                "and cipher in common?"
            )
        if own is None:
            return BrokerError(
                f"{self.address} requires a certificate of the client ({reason}): set "
                "kafka.ssl_certfile and kafka.ssl_keyfile"
            )
        expiry = _expiry(own)
        if expiry is not None and expiry < datetime.now(UTC):
            return BrokerError(
                f"{self.address} refuses the client's certificate {own} ({reason}): it has expired "
                f"at {expiry:%Y-%m-%d %H:%M} UTC; have it renewed"
            )
        return BrokerError(
            f"{self.address} refuses the client's certificate {own} ({reason}): have it issued by "
            "an authority that the broker trusts, for the authentication of clients"
        )

    def _own_certificate(self) -> Path | None:
        files = getattr(self.client.get("ssl_context"), "files", None)
        given = files.certfile if files is not None else self.client.get("ssl_certfile")
        return Path(given) if given is not None else None

    def _untrusted(self, error: ssl.SSLCertVerificationError) -> BrokerError:
        what = f"the certificate of {self.address}"
        code, message = error.verify_code, error.verify_message
        if code == _EXPIRED:
            return BrokerError(
                f"{what} has expired: have it renewed, or correct the clock of this machine"
            )
        if code == _NOT_YET_VALID:
            return BrokerError(
                f"{what} is not valid yet: correct the clock of this machine or the certificate"
            )
        if code in (_OTHER_NAME, _OTHER_ADDRESS):
            return BrokerError(
                f"{what} is not for {self.host} ({message}): use a host name in `broker` that it "
                "is for, or have one issued that names this host"
            )
        if code in _UNKNOWN_ISSUERS:
            return BrokerError(
                f"{what} was not issued by a trusted authority ({message}): set kafka.ssl_cafile "
                "to a PEM file with the certificate of the authority that issued it"
            )
        return BrokerError(f"{what} cannot be trusted ({message}): have it replaced")

    def _quick(self) -> "_Probe":
        """For what an answer comes to at once, if at all."""
        return replace(self, seconds=min(self.seconds, _QUICK_SECONDS))

    def _answers_tls(self) -> bool:
        """Whether the other side takes part in a handshake, whatever its certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with self._quick()._connect() as plain, context.wrap_socket(plain):
                return True
        except ssl.SSLError as error:
            return "ALERT" in (error.reason or "")
        except OSError:
            return False

    def _answers_http(self) -> bool:
        try:
            with self._quick()._connect() as plain:
                plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return plain.recv(5) == b"HTTP/"
        except OSError:
            return False


def _may_pass(failure: BrokerError) -> bool:
    return isinstance(failure, BrokerUnavailable)


def _encrypt(plain: socket.socket, context: ssl.SSLContext | None, host: str) -> socket.socket:
    return plain if context is None else context.wrap_socket(plain, server_hostname=host)


def _expiry(certificate: Path) -> datetime | None:
    from cryptography import x509  # 45 ms, which commands that connect do not need

    try:
        return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return None
