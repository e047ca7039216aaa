import pytest

from models.remote.address import RemoteAddress, is_remote
from schemas.errors import SettingsError


@pytest.mark.parametrize(
    ("name", "model", "url"),
    [
        ("openai:tiny@http://127.0.0.1:8000/v1", "tiny", "http://127.0.0.1:8000/v1"),
        (
            "openai:org/Model-1B@https://api.example.org/v1/",
            "org/Model-1B",
            "https://api.example.org/v1",
        ),
        ("openai:gpt@2024@https://EXAMPLE.org:443/v1", "gpt@2024", "https://example.org/v1"),
        ("OpenAI:llama3:8b@http://[::1]:11434/v1", "llama3:8b", "http://[::1]:11434/v1"),
    ],
)
def test_model_and_url_are_read(name: str, model: str, url: str) -> None:
    found = RemoteAddress.parse(name)
    assert (found.model, found.url) == (model, url)
    assert is_remote(name)


@pytest.mark.parametrize(
    "name",
    [
        "openai:tiny",
        "openai:@http://host/v1",
        "openai:tiny@ftp://host/v1",
        "openai:tiny@http://user:s3cret@host/v1",
        "openai:tiny@http://s3cret@host/v1",
        "openai:tiny@http://host/v1?key=s3cret",
        "openai:tiny@http://host/v1#s3cret",
        "openai:tiny@http://host:s3cret/v1",
        "openai:tiny@http:///v1",
    ],
)
def test_other_addresses_are_refused_without_their_secrets(name: str) -> None:
    with pytest.raises(SettingsError) as refused:
        RemoteAddress.parse(name)
    assert "s3cret@" not in str(refused.value)
    assert "key=" not in str(refused.value)


def test_a_release_follows_from_address_and_model() -> None:
    one = RemoteAddress.parse("openai:tiny@http://host:8000/v1").release()
    assert one == RemoteAddress.parse("openai:tiny@HTTP://HOST:8000/v1/").release()
    # As the first version made it: its judge is kept under this id.
    assert one == "openai-tiny-host-8000-v1-3e52a143"
    others = {
        RemoteAddress.parse(name).release()
        for name in ("openai:tiny@https://host:8000/v1", "openai:Tiny@http://host:8000/v1")
    }
    assert one not in others
    assert len(others) == 2


def test_any_model_has_a_release_that_is_a_file_name() -> None:
    found = RemoteAddress.parse(f"openai:{'ü/' * 200}@http://host/v1").release()
    assert len(found) < 200
    assert "/" not in found
