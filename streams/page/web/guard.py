"""What every request passes: who may ask, from which page, and how the answer may be used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.errors import VisitRefused
from schemas.ruling import MOST_BYTES
from streams.page.web.sessions import Session, Sessions
from streams.settings.address import Address

LONGEST_FORM = 3 * MOST_BYTES + 256 * 1024
"""In bytes: a form has up to three for one byte of a text."""
_MOST_FIELDS = 50
LONGEST_NAME = 80
_LONGEST_ADDRESS = 2000
"""Characters of an address that one is led back to after signing in."""
_OPEN = ("/login", "/assets/")
"""What is answered to a browser that has not sent the access token."""
_HEADERS = {
    # No inline script or style, no eval, nothing from elsewhere.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with it, browsers send `Origin: null` with the page's own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass(frozen=True, slots=True)
class Visit:
    """What the guard has found out about a request."""

    session: Session
    form_token: str
    name: str
    """Who decides and rates; empty where the browser has not said."""
    form: Mapping[str, str]


class Guard:
    """ASGI middleware in front of every route. Puts a Visit into the request's state."""

    def __init__(
        self, app: ASGIApp, sessions: Sessions, address: Address, hosts: Sequence[str] = ()
    ) -> None:
        """``hosts`` are further names that browsers may use for the page, as behind a proxy."""
        self._app = app
        self._sessions = sessions
        self._hosts = _hosts(address, hosts)
        self._cookie = f"backstream_{address.port}"
        self._name_cookie = f"backstream_name_{address.port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        # Other servers on this machine set cookies too, which need not be well formed.
        cookies = cookie_parser(headers.get("cookie", ""))
        known = self._sessions.read(cookies.get(self._cookie))
        session = known or self._sessions.start()
        answer: ASGIApp
        try:
            form = await self._checked(scope, headers, session, receive)
        except VisitRefused as refused:
            answer = _answer(refused)
        else:
            name = unquote(cookies.get(self._name_cookie, ""))[:LONGEST_NAME]
            scope.setdefault("state", {})["visit"] = Visit(
                session, self._sessions.form_token(session), name, form
            )
            answer = self._app
        await answer(scope, receive, self._guarded(send, None if known else session))

    def _guarded(self, send: Send, new: Session | None) -> Send:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
                if new is not None and "set-cookie" not in headers:
                    headers.append("Set-Cookie", self.session_cookie(new))
            await send(message)

        return guarded

    def session_cookie(self, session: Session) -> str:
        """The header that gives a browser a session."""
        value = self._sessions.cookie(session)
        return f"{self._cookie}={value}; Path=/; HttpOnly; SameSite=Strict"

    def name_cookie(self, name: str) -> str:
        """The header by which a browser remembers who decides, for a year."""
        return (
            f"{self._name_cookie}={quote(name)}; Path=/; HttpOnly; SameSite=Strict; "
            "Max-Age=31536000"
        )

    async def _checked(
        self, scope: Scope, headers: Headers, session: Session, receive: Receive
    ) -> Mapping[str, str]:
        """The fields of the form that was sent. Raises VisitRefused."""
        host = headers.get("host", "")
        if self._hosts is not None and _host_name(host) not in self._hosts:
            # Else a page of another site could read this one, once its name leads here.
            raise VisitRefused(400, "this is not a name of the page; page.hosts can add it")
        changes = scope["method"] not in ("GET", "HEAD")
        if changes and not _is_from(headers.get("origin", ""), host):
            raise VisitRefused(403, "the request does not come from this page")
        if not self._admitted(headers, session) and not scope["path"].startswith(_OPEN):
            if changes or scope["path"] == "/events":
                raise VisitRefused(401, "the access token is missing; open /login")
            raise VisitRefused(303, _login_for(scope))
        if not changes:
            return {}
        form = _form(await _body(headers, receive))
        sent = headers.get("x-form-token") or form.get("form_token", "")
        if not self._sessions.is_form_token(session, sent):
            raise VisitRefused(
                403,
                "the form is from an earlier start of the page: go back, copy what you typed, "
                "and reload it",
            )
        return form

    def _admitted(self, headers: Headers, session: Session) -> bool:
        if session.admitted:
            return True
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self._sessions.admits(token.strip())


def _login_for(scope: Scope) -> str:
    """The page to sign in, which leads back to the one that was asked for."""
    wanted = quote(scope["path"])
    if query := scope["query_string"].decode("latin-1"):
        wanted += f"?{query}"
    is_page = not scope["path"].startswith("/parts/") and len(wanted) <= _LONGEST_ADDRESS
    return f"/login?back={quote(wanted, safe='')}" if is_page and wanted != "/" else "/login"


def _answer(refused: VisitRefused) -> Response:
    if refused.status == 303:
        return RedirectResponse(str(refused), refused.status)
    return PlainTextResponse(f"{refused}\n", refused.status)


def _hosts(address: Address, names: Sequence[str]) -> frozenset[str] | None:
    """Names that browsers may use. None for all: on all interfaces the token alone protects.

    A cookie is of one name, so that a page of another name has none.
    """
    found = {name.lower() for name in names}
    if address.is_loopback:
        return frozenset({"localhost", "127.0.0.1", "::1", address.host, *found})
    if not found:
        return None
    return frozenset({address.host, *found} - {""})


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_from(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        return False


async def _body(headers: Headers, receive: Receive) -> bytes:
    """The body of a form. Raises VisitRefused for one that is too long."""
    parts, size = list[bytes](), 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise VisitRefused(400, "the request was broken off")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LONGEST_FORM:
            raise VisitRefused(
                413, f"the texts are too long: together they may have {MOST_BYTES:,} bytes"
            )
        if not message.get("more_body", False):
            return b"".join(parts)


def _form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError as error:
        raise VisitRefused(400, f"the form cannot be read: {error}") from error
