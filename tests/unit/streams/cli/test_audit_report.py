"""What ``audit`` prints of an account."""

from streams.cli.audit_report import as_report, as_text
from streams.observe.audit import Audit, StageAccount


def _account(stage: str, ids: int, followed: int, rejected: int) -> StageAccount:
    return StageAccount(stage, ids, followed, rejected, dead=0, in_flight=0)


def test_refusals_are_shares_of_refusals_and_passages_are_counted_once() -> None:
    """Two documents can have more refused passages than there are documents."""
    audit = Audit(
        (_account("segmenter", 2, 2, 0), _account("backward", 9, 5, 4)),
        {("segmenter", "too_short"): 3, ("segmenter", "navigation"): 1, ("backward", "copied"): 4},
        duplicates=0,
        passages=9,
        examples=5,
    )
    lines = as_text(audit).splitlines()
    assert "segments holds 9 passages, each counted once; the segmenter refused 4" in lines
    assert "refused by segmenter: too_short 3, 75.0% of its refusals" in lines
    assert "refused by segmenter: navigation 1, 25.0% of its refusals" in lines
    assert "refused by backward: copied 4, 100.0% of its refusals" in lines
    assert as_report(audit)["passages"] == 9
