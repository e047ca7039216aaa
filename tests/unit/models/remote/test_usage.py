from pathlib import Path

import pytest

from models.remote.usage import Budget, Ledger, Prices, Tokens, Usage, read_usage
from schemas.errors import BudgetSpent, RemoteUnavailable

_PRICES = Prices(1.0, 10.0)


def test_a_charge_becomes_what_was_used(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "state" / "usage.sqlite")
    ledger.charge("backward", Tokens(500, 64), _PRICES)
    assert ledger.usage()["backward"].charged_tokens == 564
    ledger.settle("backward", Tokens(500, 64), Tokens(100, 10), _PRICES)
    found = ledger.usage()["backward"]
    assert (found.requests, found.charged_tokens, found.unanswered_tokens) == (1, 110, 0)
    assert found.cost == pytest.approx(200 / 1e6)


def test_what_was_not_answered_stays_charged_for_the_next_process(tmp_path: Path) -> None:
    file = tmp_path / "usage.sqlite"
    killed, other = Ledger(file, Budget(tokens=1000)), Ledger(file, Budget(tokens=1000))
    killed.charge("backward", Tokens(500, 100), _PRICES)
    with pytest.raises(BudgetSpent, match="600 tokens are used"):
        other.charge("forward", Tokens(350, 100), _PRICES)
    other.charge("forward", Tokens(300, 100), _PRICES)
    other.give_back("forward", Tokens(300, 100), _PRICES)
    assert read_usage(file)["backward"].unanswered_tokens == 600


def test_a_cost_has_a_budget_too() -> None:
    ledger = Ledger(None, Budget(cost=0.001))
    ledger.charge("backward", Tokens(0, 100), _PRICES)
    with pytest.raises(BudgetSpent, match=r"remote\.budget_cost of 0\.001"):
        ledger.charge("forward", Tokens(1, 0), _PRICES)


def test_a_file_that_is_no_ledger_is_no_fault_of_a_record(tmp_path: Path) -> None:
    (tmp_path / "usage.sqlite").write_text("not a database, and long enough to be one" * 50)
    with pytest.raises(RemoteUnavailable, match=r"usage\.sqlite"):
        Ledger(tmp_path / "usage.sqlite").charge("backward", Tokens(1, 1), _PRICES)


def test_the_ledger_is_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "usage.sqlite"
    Ledger(file).charge("backward", Tokens(1, 1), _PRICES)
    assert file.stat().st_mode & 0o077 == 0
    assert read_usage(tmp_path / "none.sqlite") == {}
    assert Usage().charged_cost == 0
