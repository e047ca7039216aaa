"""The address of a model that is served elsewhere: ``openai:MODEL@http://host:port/v1``."""

import hashlib
import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from models.prompts.template import TRAINED_TASKS, Family
from models.prompts.templates import BUILT_IN, Templates
from schemas.errors import SettingsError

_SCHEME = "openai:"
_RELEASE = "openai-"
"""How the ids of such releases begin. Those of local models begin with a name without a dash, or
with that of a directory.
"""
_FORM = re.compile(rf"{_SCHEME}(?P<model>[^\s@].*?)@(?P<url>https?://\S+)", re.IGNORECASE)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_SLUG = 120


def is_remote(name: str) -> bool:
    """Whether the name of a model is the address of one that is served elsewhere."""
    return name.lower().startswith(_SCHEME)


def is_remote_release(id: str) -> bool:
    """Whether an id is one that ``RemoteAddress.release`` made."""
    return id.startswith(_RELEASE)


@dataclass(frozen=True, slots=True)
class RemoteAddress:
    """A model of an OpenAI-compatible server."""

    model: str
    """The name by which the server knows it."""
    url: str
    """The server's base address without a slash at the end, such as ``http://host:8000/v1``."""

    @classmethod
    def parse(cls, name: str) -> "RemoteAddress":
        """Read ``openai:MODEL@URL``.

        Raises SettingsError where it is something else, or has a password, a query or a fragment.
        The message does not repeat the URL, which may hold a key.
        """
        found = _FORM.fullmatch(name.strip())
        if found is None:
            raise SettingsError(
                "the address of a model must be openai:MODEL@http://HOST:PORT/v1, or https"
            )
        try:
            parts = urlsplit(found["url"])
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise SettingsError(f"the address of {found['model']} is not a URL: {error}") from error
        if parts.username is not None or parts.password is not None:
            raise SettingsError(
                f"the address of {found['model']} holds a user name or a password: give its key in "
                "the environment instead, as BACKSTREAM_REMOTE_KEY"
            )
        if parts.query or parts.fragment or not host:
            raise SettingsError(
                f"the address of {found['model']} must have a host, and no '?' or '#'; a key "
                "belongs in the environment, as BACKSTREAM_REMOTE_KEY"
            )
        shown = f"[{host}]" if ":" in host else host
        scheme = parts.scheme.lower()
        if port is not None and port != {"http": 80, "https": 443}[scheme]:
            shown = f"{shown}:{port}"
        return cls(found["model"], f"{scheme}://{shown}{parts.path.rstrip('/')}")

    def release(self, templates: Templates = BUILT_IN) -> str:
        """Id of the release that this model is: its address, and a hash of it and the templates.

        The templates are those that its judge is fitted with, of ``TRAINED_TASKS``. The
        server may change its model under the same name. That cannot be seen from here.
        """
        ids = (templates.of(task, Family.CHAT).id for task in TRAINED_TASKS)
        digest = hashlib.sha256("\n".join((self.model, self.url, *ids)).encode()).hexdigest()
        place = self.url.partition("://")[2]
        slug = _UNSAFE.sub("-", f"{_RELEASE}{self.model}-{place}")[:_LONGEST_SLUG]
        return f"{slug.rstrip('-.')}-{digest[:8]}"

    @property
    def is_loopback(self) -> bool:
        """Whether the server runs on this machine."""
        host = urlsplit(self.url).hostname or ""
        if host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    @property
    def is_encrypted(self) -> bool:
        """Whether others on the way cannot read what is sent."""
        return self.url.startswith("https:")

    def __str__(self) -> str:
        return f"{self.model} at {self.url}"
