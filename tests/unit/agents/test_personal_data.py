"""E-mail addresses, telephone numbers and keys: found, masked and refused."""

import asyncio

import pytest

from agents.curation.personal_data import count_masks, find_personal_data, masked
from agents.curation.settings import CuratorSettings
from agents.curator import Curator
from schemas.records import Example, Rejection
from tests.unit.agents.test_curator import scored

_SECRET = "A1b2" * 10


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ada.lovelace+x@engines.co.uk", "e-mail address"),
        ("jörg.müller@universität-köln.de", "e-mail address"),
        ("иван@почта.рф", "e-mail address"),
        ("+49 30 123456-78", "phone number"),
        ("+14155552671", "phone number"),
        ("+44 (0)20 7946 0018", "phone number"),
        ("(415) 555-2671", "phone number"),
        ("415-555-2671", "phone number"),
        (f"ghp_{_SECRET}", "key"),
        (f"hf_{_SECRET}", "key"),
        (f"sk-proj-{_SECRET}", "key"),
        ("AKIAIOSFODNN7ABCDEFG", "key"),
        (f"eyJ{_SECRET}.eyJ{_SECRET}.{_SECRET}", "key"),
        (f"-----BEGIN RSA PRIVATE KEY-----\n{_SECRET}==\n-----END RSA PRIVATE KEY-----", "key"),
        (
            f"-----BEGIN EC PRIVATE KEY-----\nDEK-Info: AES\n\n{_SECRET}\n"
            "-----END EC PRIVATE KEY-----",
            "key",
        ),
        (f"-----BEGIN OPENSSH PRIVATE KEY-----\n{_SECRET}", "key"),
    ],
)
def test_what_is_masked(text: str, kind: str) -> None:
    assert [(one.kind, one.start, one.end) for one in find_personal_data(f"'{text}'")] == [
        (kind, 1, len(text) + 1)
    ]
    assert masked(f"Write to {text}, or not.") == f"Write to [masked {kind}], or not."


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Tel.: 030 1234567", "Tel.: "),
        ("Telefon 089/12 34 56 7", "Telefon "),
        ("phone: 5551234", "phone: "),
        ("Fax 0201 / 183-1", "Fax "),
        ("电话：13812345678", "电话："),
    ],
)
def test_a_number_without_country_is_told_by_the_word_before_it(text: str, left: str) -> None:
    assert masked(text) == left + "[masked phone number]"


def test_the_password_of_a_url_is_masked() -> None:
    assert masked("https://joe:s3cret@host/") == "https://[masked key]@host/"


@pytest.mark.parametrize(
    "text",
    [
        "user@example.com, root@mail.example.org, a@localhost.test",
        "git@github.com:user/project.git and git clone ssh://git@host",
        "Call 415-555-0132 or +1 202 555 0156.",  # kept for fiction
        "123-456-7890, (123) 456-7890, clause 252.227-7013, 1:10~+20191229111838+6991",
        "1.2.3.4567, 2024-01-15, 2024-05-05T10:10:10+02:00, 192.168.100.100, 10.1000/182",
        "978-3-16-148410-0, 3.14159265358979, 1234567890, 2147483647, x+12345678",
        "@decorator, a @ b, x@y, 1@2.3, user:password@",
        "https://user:password@host, https://a:<token>@host, AKIAIOSFODNN7EXAMPLE",
        "https://abc:123@example.com/, http://evil:thing@localhost:80",
        "the lines from '-----BEGIN RSA PRIVATE KEY-----' to '-----END RSA PRIVATE KEY-----'",
        "a disk-sk-estimator-of-the-whole-model, sk-estimator-doc-link-of-a-class",
        "-----BEGIN PUBLIC KEY-----, -----BEGIN CERTIFICATE-----",
        "The telephone 1876 and the microphone 1234567.",
    ],
)
def test_what_is_not_personal(text: str) -> None:
    assert find_personal_data(text) == []


def test_an_example_is_kept_with_masks_or_refused() -> None:
    record = scored(
        instruction="Who answers at ada@engines.org?",
        response="Ada does, at ada@engines.org. Her number is +44 20 7946 0018.",
    )

    def outcome(**settings: object) -> Example | Rejection:
        curator = Curator(CuratorSettings.model_validate(settings))
        [found] = asyncio.run(curator.handle(record))
        assert isinstance(found, Example | Rejection)
        return found

    refused = outcome(personal_data="refuse")
    assert isinstance(refused, Rejection)
    assert (refused.reason, refused.detail) == (
        "personal_data",
        "e-mail address in the instruction",
    ), "a rejection does not repeat it"
    kept = outcome(personal_data="mask")
    assert isinstance(kept, Example)
    assert kept.instruction == "Who answers at [masked e-mail address]?"
    assert kept.response == (
        "Ada does, at [masked e-mail address]. Her number is [masked phone number]."
    )
    assert count_masks(kept) == 3
    for settings in (
        {},
        {"personal_data": "mask", "rules": {"personal_data": False}},
        {"personal_data": "refuse", "rules": {"personal_data": False}},
    ):
        untouched = outcome(**settings)
        assert isinstance(untouched, Example)
        assert untouched.response == record.candidate.response


def test_a_masked_example_is_known_again_after_a_restart() -> None:
    settings = CuratorSettings(personal_data="mask")
    record = scored(response="Ada does, at ada@engines.org.")
    [kept] = asyncio.run(Curator(settings).handle(record))
    assert isinstance(kept, Example)
    after = Curator(settings)
    after.restore(kept.id, kept)
    other = scored("e2", "Who is asked about engines?", record.candidate.response)
    [refused] = asyncio.run(after.handle(other))
    assert isinstance(refused, Rejection)
    assert refused.reason == "same_response"
