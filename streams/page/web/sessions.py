"""Who a browser is: a signed cookie, and the token that its forms must carry."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Session:
    """A browser, from its first request on."""

    id: str
    admitted: bool
    """Whether it has sent the access token."""


class Sessions:
    """Makes and checks sessions. They end with the process, which has the only key of them."""

    def __init__(self, token: SecretStr | None, key: bytes | None = None) -> None:
        """``token`` is what a browser must send once; None admits every browser."""
        self._token = None if token is None else token.get_secret_value().encode()
        self._key = secrets.token_bytes(32) if key is None else key

    def start(self, *, admitted: bool = False) -> Session:
        """A new session."""
        return Session(secrets.token_urlsafe(18), admitted or self._token is None)

    def cookie(self, session: Session) -> str:
        """The value of the cookie of a session."""
        return f"{session.id}.{self._signature(_purpose(session.admitted), session.id)}"

    def read(self, cookie: str | None) -> Session | None:
        """The session of a cookie. None where this process has not made it."""
        id, dot, signature = (cookie or "").partition(".")
        if not dot:
            return None
        for admitted in (True, False):
            if _same(signature, self._signature(_purpose(admitted), id)):
                return Session(id, admitted)
        return None

    def form_token(self, session: Session) -> str:
        """What each form of the session must carry, so that no other site can send one (CSRF)."""
        return self._signature("form", session.id)

    def is_form_token(self, session: Session, sent: str) -> bool:
        """Whether a form comes from a page of this session."""
        return _same(sent, self.form_token(session))

    def admits(self, sent: str) -> bool:
        """Whether this is the access token."""
        return self._token is None or hmac.compare_digest(sent.encode(), self._token)

    def _signature(self, purpose: str, id: str) -> str:
        return hmac.new(self._key, f"{purpose}:{id}".encode(), hashlib.sha256).hexdigest()


def _purpose(admitted: bool) -> str:
    return "admitted" if admitted else "guest"


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
