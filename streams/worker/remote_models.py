"""Makes the models of roles that are served elsewhere, from the settings and the environment."""

import logging
import os

from models.judging.evidence import EvidenceKind
from models.releases.cache import default_cache
from models.remote.address import RemoteAddress
from models.remote.client import RemoteClient, RequestOptions
from models.remote.kept_judges import read_judges
from models.remote.model import RemoteModel
from models.remote.usage import Account, Budget, Ledger, Prices, Tokens
from streams.settings import Role, Settings
from streams.stages.metrics import (
    REMOTE_COST,
    REMOTE_REQUESTS,
    REMOTE_TOKENS,
    Metrics,
)

log = logging.getLogger(__name__)
_KEY = "BACKSTREAM_REMOTE_KEY"


class RemoteModels:
    """Makes remote models that share a ledger and metrics."""

    def __init__(
        self, settings: Settings, metrics: Metrics | None = None, *, creates_state: bool = False
    ) -> None:
        """The usage is kept in the state directory.

        Where there is none it is made if ``creates_state``; else the usage is not kept. Raises
        SettingsError for a prompts file that cannot be used.
        """
        self._settings = settings
        self._metrics = metrics or Metrics()
        self._templates = settings.templates()
        kept = creates_state or settings.state_dir.is_dir()
        budget = Budget(settings.remote.budget_tokens, settings.remote.budget_cost)
        self._ledger = Ledger(settings.usage_file if kept else None, budget)

    def make(self, role: Role, name: str) -> RemoteModel:
        """The model of a role by its address. Makes no request.

        Raises SettingsError, and ModelError where its judge cannot be read.
        """
        address, key = RemoteAddress.parse(name), _key(role)
        if key and not address.is_encrypted and not address.is_loopback:
            log.warning("the key for %s is sent unencrypted: give an https address", address)
        chosen = self._settings.remote
        listed = chosen.prices.backward if role is Role.BACKWARD else chosen.prices.forward
        prices = Prices(listed.prompt, listed.completion)
        client = RemoteClient(
            address,
            key,
            Account(role, self._ledger, prices),
            RequestOptions(
                chosen.in_flight,
                chosen.timeout_seconds,
                chosen.retries,
                # Before the stage's own time limit, which would count against the record.
                self._settings.generation.timeout_seconds / 2,
            ),
            lambda outcome, tokens: self._observe(role, prices, outcome, tokens),
        )
        return RemoteModel(
            client,
            system=self._settings.system_prompt,
            templates=self._templates,
            judges=read_judges(default_cache(), address.release(self._templates)),
            evidence=EvidenceKind(self._settings.scorer.evidence),
        )

    def _observe(self, role: Role, prices: Prices, outcome: str, tokens: Tokens) -> None:
        counter = self._metrics.counter
        counter(REMOTE_REQUESTS, role=role, outcome=outcome).inc()
        counter(REMOTE_TOKENS, role=role, kind="prompt").inc(tokens.prompt)
        counter(REMOTE_TOKENS, role=role, kind="completion").inc(tokens.completion)
        counter(REMOTE_COST, role=role).inc(prices.cost(tokens))


def _key(role: Role) -> str | None:
    """The key for a role's server: that of the role, else the common one."""
    return os.environ.get(f"{_KEY}_{role.upper()}") or os.environ.get(_KEY) or None
