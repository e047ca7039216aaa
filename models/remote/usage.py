"""What models behind addresses have used, and the budget that they may use.

A request is charged the most that it can cost before it is sent. When the answer comes, the charge
is replaced by what the server counted. A request that the server did not take is given back. Where
the connection or the process ended before the answer, the charge stays, because the server may
have done the work. So the budget is kept whatever fails, and by several processes together.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from models.private_files import private_umask
from schemas.errors import BudgetSpent, RemoteUnavailable

_TABLE = """
    CREATE TABLE IF NOT EXISTS usage (
        role TEXT PRIMARY KEY,
        requests INTEGER NOT NULL DEFAULT 0,
        prompt_tokens INTEGER NOT NULL DEFAULT 0,
        completion_tokens INTEGER NOT NULL DEFAULT 0,
        unanswered_tokens INTEGER NOT NULL DEFAULT 0,
        cost REAL NOT NULL DEFAULT 0,
        unanswered_cost REAL NOT NULL DEFAULT 0
    )
"""
_WAIT_SECONDS = 5.0
_PER = 1_000_000
"""Tokens that a price is for."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens that were read and written."""

    prompt: int
    completion: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.prompt + self.completion


@dataclass(frozen=True, slots=True)
class Prices:
    """What a million tokens cost, in any currency."""

    prompt: float = 0.0
    completion: float = 0.0

    def cost(self, tokens: Tokens) -> float:
        """What these tokens cost."""
        return (self.prompt * tokens.prompt + self.completion * tokens.completion) / _PER


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that all roles of a ledger may use together; None for no limit."""

    tokens: int | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a role has used since the ledger was begun."""

    requests: int = 0
    """Requests that were answered."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    unanswered_tokens: int = 0
    """Most tokens of the requests that are on the way, or whose answer never came."""
    cost: float = 0.0
    unanswered_cost: float = 0.0

    @property
    def charged_tokens(self) -> int:
        """What counts against the budget."""
        return self.prompt_tokens + self.completion_tokens + self.unanswered_tokens

    @property
    def charged_cost(self) -> float:
        """What counts against the budget."""
        return self.cost + self.unanswered_cost


class Ledger:
    """Usage by role in a SQLite file, which processes may share. Belongs to one thread."""

    def __init__(self, file: Path | None, budget: Budget | None = None) -> None:
        """Without a file, the usage is forgotten with the ledger. Opens the file at first use."""
        self._file = file
        self._budget = budget or Budget()
        self._connection: sqlite3.Connection | None = None

    def charge(self, role: str, most: Tokens, prices: Prices) -> None:
        """Charge a request that is about to be sent with the most that it can use.

        Raises BudgetSpent where that may exceed the budget, RemoteUnavailable where the file cannot
        be written.
        """
        cost = prices.cost(most)
        with self._transaction() as connection:
            tokens, spent = connection.execute(
                "SELECT coalesce(sum(prompt_tokens + completion_tokens + unanswered_tokens), 0),"
                " coalesce(sum(cost + unanswered_cost), 0) FROM usage"
            ).fetchone()
            limit = self._budget.tokens
            if limit is not None and tokens + most.total > limit:
                raise BudgetSpent(
                    f"remote.budget_tokens of {limit:,} is spent: {tokens:,} tokens are used or on "
                    f"the way, and the next request may take {most.total:,}; raise it and start "
                    "again"
                )
            if self._budget.cost is not None and spent + cost > self._budget.cost:
                raise BudgetSpent(
                    f"remote.budget_cost of {self._budget.cost:g} is spent: {spent:.4g} is used or "
                    f"on the way, and the next request may cost {cost:.4g}; raise it and start "
                    "again"
                )
            connection.execute("INSERT OR IGNORE INTO usage (role) VALUES (?)", (role,))
            connection.execute(
                "UPDATE usage SET unanswered_tokens = unanswered_tokens + ?,"
                " unanswered_cost = unanswered_cost + ? WHERE role = ?",
                (most.total, cost, role),
            )

    def give_back(self, role: str, most: Tokens, prices: Prices) -> None:
        """Undo the charge of a request that the server did not take."""
        with self._transaction() as connection:
            self._lift(connection, role, most, prices)

    def settle(self, role: str, most: Tokens, used: Tokens, prices: Prices) -> None:
        """Replace the charge of a request that was answered with what it used."""
        with self._transaction() as connection:
            self._lift(connection, role, most, prices)
            connection.execute(
                "UPDATE usage SET requests = requests + 1, prompt_tokens = prompt_tokens + ?,"
                " completion_tokens = completion_tokens + ?, cost = cost + ? WHERE role = ?",
                (used.prompt, used.completion, prices.cost(used), role),
            )

    def usage(self) -> dict[str, Usage]:
        """Usage by role."""
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT role, requests, prompt_tokens, completion_tokens, unanswered_tokens, cost,"
                " unanswered_cost FROM usage ORDER BY role"
            ).fetchall()
        return {role: Usage(*found) for role, *found in rows}

    def close(self) -> None:
        """Close the file. Another call opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _lift(
        self, connection: sqlite3.Connection, role: str, most: Tokens, prices: Prices
    ) -> None:
        connection.execute(
            "UPDATE usage SET unanswered_tokens = max(0, unanswered_tokens - ?),"
            " unanswered_cost = max(0, unanswered_cost - ?) WHERE role = ?",
            (most.total, prices.cost(most), role),
        )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._connection = self._connection or self._opened()
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise RemoteUnavailable(
                f"the usage of remote models cannot be kept in {self._file}: {error}"
            ) from error

    def _opened(self) -> sqlite3.Connection:
        if self._file is None:
            connection = sqlite3.connect(":memory:", isolation_level=None)
        else:
            with private_umask():
                self._file.parent.mkdir(parents=True, exist_ok=True)
                connection = sqlite3.connect(
                    self._file, timeout=_WAIT_SECONDS, isolation_level=None
                )
            # A kill loses nothing; a machine that loses its power loses the last moments.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(_TABLE)
        return connection


@dataclass(frozen=True, slots=True)
class Account:
    """What one role charges to a ledger, which it shares with others."""

    role: str
    ledger: Ledger
    prices: Prices = field(default_factory=Prices)

    def charge(self, most: Tokens) -> None:
        """See ``Ledger.charge``."""
        self.ledger.charge(self.role, most, self.prices)

    def give_back(self, most: Tokens) -> None:
        """See ``Ledger.give_back``."""
        self.ledger.give_back(self.role, most, self.prices)

    def settle(self, most: Tokens, used: Tokens) -> None:
        """See ``Ledger.settle``."""
        self.ledger.settle(self.role, most, used, self.prices)

    def close(self) -> None:
        """See ``Ledger.close``."""
        self.ledger.close()


def read_usage(file: Path) -> dict[str, Usage]:
    """Usage by role of a ledger's file; none where there is no such file."""
    if not file.is_file():
        return {}
    ledger = Ledger(file)
    try:
        return ledger.usage()
    finally:
        ledger.close()
