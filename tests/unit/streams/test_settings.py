"""Settings: the precedence of the sources, and the message for each mistake."""

import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from agents.curation.settings import MIX, SELF_INSTRUCT_KEYWORDS
from agents.passages.navigation import NAVIGATION
from models.prompts.openings import OPENINGS
from schemas.errors import SettingsError
from streams.settings import KafkaSettings, Settings, load


@pytest.fixture
def yaml(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a settings file."""

    def write(text: str) -> Path:
        file = tmp_path / "backstream.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("BACKSTREAM_"):
            monkeypatch.delenv(name)


Yaml = Callable[[str], Path]


def test_each_source_overrides_the_one_before(yaml: Yaml, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().model == "house"
    file = yaml("model: of-the-file")
    assert load(file).model == "of-the-file"
    monkeypatch.setenv("BACKSTREAM_MODEL", "of-the-environment")
    assert load(file).model == "of-the-environment"
    assert load(file, assignments=("model=assigned",)).model == "assigned"
    assert load(file, {"model": "flagged"}, ("model=assigned",)).model == "flagged"
    assert load(file, {"model": None}, ("model=assigned",)).model == "assigned"


def test_sources_are_merged_key_by_key(yaml: Yaml, monkeypatch: pytest.MonkeyPatch) -> None:
    file = yaml("kafka: {group: file, in_flight: 2, commit_seconds: 3}\nport: 9")
    monkeypatch.setenv("BACKSTREAM_KAFKA__GROUP", "environment")
    settings = load(
        file,
        {"device": "cpu"},
        ("kafka.in_flight=7", "kafka.replication_factor=3", "training.min_examples=5"),
    )
    kafka = settings.kafka
    assert (kafka.group, kafka.in_flight, kafka.commit_seconds, kafka.replication_factor) == (
        "environment",
        7,
        3,
        3,
    )
    assert (settings.port, settings.device, settings.training.min_examples) == (9, "cpu", 5)
    assert kafka.session_seconds == KafkaSettings().session_seconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modle: x", "'modle'; did you mean 'model'"),
        (
            "generation: {temprature: 1}",
            "'generation.temprature'; did you mean 'generation.temperature'",
        ),
        (
            "kafka: {bootstrap-servers: x}",
            "'kafka.bootstrap-servers'; did you mean 'kafka.bootstrap_servers'",
        ),
        ("curration: {threshold: 4}", "'curration'"),
        ("qqq: 1", "unknown setting 'qqq'$"),
    ],
)
def test_an_unknown_key_names_the_nearest(yaml: Yaml, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load(yaml(text))


def test_an_unknown_key_is_an_error_in_every_source(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"did you mean 'kafka\.group'"):
        load(assignments=("kafka.grup=x",))
    monkeypatch.setenv("BACKSTREAM_KAFKA__GRUP", "x")
    with pytest.raises(SettingsError, match=r"did you mean 'kafka\.group'"):
        load()


def test_an_unknown_variable_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKSTREAM_CACHE", "/cache")
    monkeypatch.setenv("BACKSTREAM_RATER", "ada")
    assert load() == Settings()
    monkeypatch.setenv("BACKSTREAM_MODLE", "x")
    with pytest.raises(
        SettingsError,
        match="variable BACKSTREAM_MODLE is not a setting; did you mean BACKSTREAM_MODEL",
    ):
        load()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("port: many", "port: .*integer.*'many'"),
        ("port: 70000", "port: .*65535"),
        ("device: tpu", "device: .*'auto', 'cpu' or 'cuda'"),
        ("generation: {temperature: 3}", "generation.temperature"),
        ("curation: {threshold: 0}", "curation.threshold"),
        ("kafka: text", "kafka: "),
        ("kafka:", "kafka: "),
        ("kafka: {security_protocol: TLS}", "kafka.security_protocol"),
        ("- model", "must hold keys and values"),
        ("just words", "must hold keys and values"),
        ("1: x", "must hold keys and values"),
        ("model: [", "not YAML"),
        ("model: !!python/object/apply:os.getcwd []", "not YAML"),
    ],
)
def test_the_message_for_a_wrong_file_names_the_key(yaml: Yaml, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        load(yaml(text))
    assert "backstream.yaml" in str(caught.value)


def test_one_message_names_every_mistake(yaml: Yaml) -> None:
    with pytest.raises(SettingsError, match=r"(?s)port.*; .*'kafka\.grup'"):
        load(yaml("port: -1\nkafka: {grup: x}"))


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.yaml cannot be read: No such file"):
        load(tmp_path / "absent.yaml")
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"model: \xff")
    with pytest.raises(SettingsError, match="not UTF-8 at byte 7"):
        load(tmp_path / "binary.yaml")


@pytest.mark.parametrize("text", ["a: 2001-99-99", "[" * 5000, "&a {model: *a}", "port: !!int ''"])
def test_a_file_that_yaml_stumbles_over_is_an_error(yaml: Yaml, text: str) -> None:
    with pytest.raises(SettingsError, match=r"settings(: | file )"):
        load(yaml(text))


def test_brackets_without_end_are_refused_before_yaml_reads_them(yaml: Yaml) -> None:
    with pytest.raises(SettingsError, match="nested too deep"):
        load(yaml("[" * 2_200))
    with pytest.raises(SettingsError, match=r"--set kafka\.group: the value is nested too deep"):
        load(assignments=("kafka.group=" + "[{" * 1_000,))


def test_an_empty_file_changes_nothing(yaml: Yaml) -> None:
    assert load(yaml("")) == load(yaml("# nothing\n")) == load()


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("model", "key.path=value"),
        ("port=[", "--set port"),
        ("port=x", "port"),
        ("=3", "unknown setting"),
        ("_env_file=/etc/passwd", "unknown setting '_env_file'"),
        ("__pydantic_self__=1", "unknown setting"),
        ("port=2001-99-99", "--set port"),
        ("port=!!timestamp x", "--set port"),
        ("port=!!int ''", "--set port"),
        ("port=" + "[" * 3000, "--set port"),
    ],
)
def test_a_wrong_assignment_is_an_error(assignment: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load(assignments=(assignment,))


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_broker_is_an_error(monkeypatch: pytest.MonkeyPatch, empty: str) -> None:
    with pytest.raises(SettingsError, match="broker: it is empty: give host:port, or leave it out"):
        load(flags={"broker": empty})
    monkeypatch.setenv("BACKSTREAM_BROKER", empty)
    with pytest.raises(SettingsError, match="broker: it is empty"):
        load()


@pytest.mark.parametrize(
    "address", ["kafka:65536", "kafka:0", "kafka:", "kafka:-1", "a:9092, kafka:x", "[::1]:70000"]
)
def test_a_broker_has_a_port_that_there_can_be(address: str) -> None:
    said = rf"the port of {re.escape(address.split(', ')[-1])} must be a number from 1 to 65535"
    with pytest.raises(SettingsError, match=f"broker: {said}"):
        load(flags={"broker": address})
    with pytest.raises(SettingsError, match=rf"kafka\.bootstrap_servers: {said}"):
        load(assignments=(f"kafka.bootstrap_servers='{address}'",))


@pytest.mark.parametrize(
    "address", ["kafka", "kafka:9092", "a:1, b:65535", "::1", "[::1]", "[::1]:9092", "SSL://a:9092"]
)
def test_a_broker_may_be_written_as_clients_read_it(address: str) -> None:
    assert load(flags={"broker": address}).given_broker == address


def test_contradicting_assignments_are_an_error() -> None:
    with pytest.raises(SettingsError, match="kafka: "):
        load(assignments=("kafka.group=a", "kafka=b"))
    assert load(assignments=("port=1", "port=2")).port == 2


def test_samples_without_a_temperature_are_an_error() -> None:
    with pytest.raises(SettingsError, match="generation: samples 2 needs a temperature above 0"):
        load(assignments=("generation.samples=2",))
    load(assignments=("generation.samples=2", "generation.temperature=0.7"))


def test_openings_of_one_source_replace_those_of_another(
    yaml: Yaml, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = yaml("generation: {openings: {List: 2, Explain: 1}, samples: 2, temperature: 0.7}")
    chosen = load(file, None, ("generation.openings={What: 1}",)).generation
    assert (chosen.openings, chosen.samples) == ({"What": 1.0}, 2)
    assert load(file, None, ("generation.openings={}",)).generation.openings == {}
    monkeypatch.setenv("BACKSTREAM_GENERATION__OPENINGS", '{"Why": 3}')
    assert load(file).generation.openings == {"Why": 3.0}
    assert load(file, None, ("generation.openings.How=1",)).generation.openings == {"How": 1.0}


def test_openings_that_are_given_replace_the_default_ones(yaml: Yaml) -> None:
    assert load(assignments=("generation.samples=1",)).generation.openings == OPENINGS
    assert load(assignments=("generation.openings={}",)).generation.openings == {}
    assert load(assignments=("generation.openings.What=2",)).generation.openings == {"What": 2.0}
    assert load(yaml("generation: {openings: {List: 2}}")).generation.openings == {"List": 2.0}
    both = ("generation.openings.What=2", "generation.openings.Why=1")
    assert load(assignments=both).generation.openings == {"What": 2.0, "Why": 1.0}
    with pytest.raises(SettingsError, match="String should match pattern"):
        load(assignments=('generation.openings={" What": 1}',))


def test_a_target_precision_needs_evidence_whose_precision_is_estimated() -> None:
    target = "curation.target_precision=0.9"
    with pytest.raises(SettingsError, match=r"settings: curation\.target_precision has no effect"):
        load(assignments=(target, "scorer.evidence=digits"))
    load(assignments=(target, "scorer.evidence=likelihood"))


@pytest.mark.parametrize("value", [".inf", ".nan", "inf"])
@pytest.mark.parametrize("key", ["shutdown_seconds", "kafka.commit_seconds", "curation.threshold"])
def test_a_number_without_end_is_an_error(key: str, value: str) -> None:
    with pytest.raises(SettingsError, match=key):
        load(assignments=(f"{key}={value}",))


def test_assignments_are_yaml() -> None:
    settings = load(
        assignments=("port=9092", "metrics_port=null", "generation.temperature=0.7", "model=a=b")
    )
    assert (
        settings.port,
        settings.metrics_port,
        settings.generation.temperature,
        settings.model,
    ) == (9092, None, 0.7, "a=b")


def test_a_section_of_the_environment_that_is_not_json_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BACKSTREAM_KAFKA", "{")
    with pytest.raises(SettingsError, match=r"environment.*kafka"):
        load()


def test_the_file_can_name_environment_variables(
    yaml: Yaml, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_MODEL", "gemma")
    assert load(yaml("model: my/${TEST_MODEL}-it")).model == "my/gemma-it"
    assert load(yaml("model: $TEST_MODEL")).model == "$TEST_MODEL", "only with braces"
    with pytest.raises(
        SettingsError, match=r"names \$\{TEST_ABSENT\}, which is not in the environment"
    ):
        load(yaml("model: ${TEST_ABSENT}"))


def test_secrets_are_shown_nowhere(yaml: Yaml) -> None:
    settings = load(yaml("kafka: {sasl_password: hunter2, sasl_username: me}"))
    assert (
        "hunter2"
        not in f"{settings!r}{settings}{settings.model_dump()}{settings.model_dump_json()}"
    )
    kafka = settings.kafka.model_copy(update={"security_protocol": "SASL_PLAINTEXT"})
    assert kafka.client()["sasl_plain_password"] == "hunter2"
    with pytest.raises(SettingsError, match=r"kafka\.sasl_password: .*valid string$") as caught:
        load(yaml("kafka: {sasl_password: 4711}"))
    assert "4711" not in str(caught.value)


def test_client_arguments_have_the_names_of_the_clients() -> None:
    plain = KafkaSettings(bootstrap_servers="a:1,b:2")
    assert plain.client() == {"bootstrap_servers": "a:1,b:2", "security_protocol": "PLAINTEXT"}
    sasl = KafkaSettings(
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="me",
        sasl_password=SecretStr("it"),
    ).client()
    assert sasl["ssl_context"].check_hostname
    assert (sasl["sasl_mechanism"], sasl["sasl_plain_username"], sasl["sasl_plain_password"]) == (
        "SCRAM-SHA-512",
        "me",
        "it",
    )


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SASL_PLAINTEXT"])
def test_a_protocol_without_tls_has_no_context(protocol: Any) -> None:
    user: dict[str, Any] = {"sasl_username": "me", "sasl_password": "it"}
    settings = KafkaSettings(security_protocol=protocol, ssl_cafile=Path("absent"), **user)
    assert settings.ssl_context() is None


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("security_protocol: SASL_SSL, sasl_password: hunter2", "SASL_SSL needs sasl_username"),
        ("security_protocol: SASL_PLAINTEXT, sasl_username: me", "needs sasl_password"),
        ("ssl_keyfile: key.pem, sasl_password: hunter2", "ssl_keyfile needs ssl_certfile"),
    ],
)
def test_half_of_a_pair_of_settings_is_an_error(yaml: Yaml, section: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=rf"kafka: .*{problem}") as caught:
        load(yaml(f"kafka: {{{section}}}"))
    assert "hunter2" not in str(caught.value)


def test_settings_can_be_pickled(yaml: Yaml) -> None:
    settings = load(yaml("kafka: {sasl_password: hunter2}"), {"state_dir": Path("here")})
    assert type(settings) is Settings
    arrived = pickle.loads(pickle.dumps(settings))
    assert arrived == settings
    assert arrived.kafka.sasl_password.get_secret_value() == "hunter2"


def test_keys_are_a_list_or_stand_between_commas(
    yaml: Yaml, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(yaml("releases: {trusted_keys: [a, b]}")).releases.trusted_keys == ("a", "b")
    assert load(None, None, ("releases.trusted_keys=a",)).releases.trusted_keys == ("a",)
    monkeypatch.setenv("BACKSTREAM_RELEASES__TRUSTED_KEYS", "a=, /etc/b.pem")
    assert load().releases.trusted_keys == ("a=", "/etc/b.pem")
    monkeypatch.setenv("BACKSTREAM_RELEASES__TRUSTED_KEYS", "")
    assert load().releases.trusted_keys == ()


def test_the_state_directory_holds_everything() -> None:
    settings = load(flags={"state_dir": "here"})
    assert settings.broker_dir.parent == settings.releases_dir.parent == Path("here")
    assert settings.with_broker("b:1").kafka.bootstrap_servers == "b:1"
    assert settings.kafka.bootstrap_servers == ""


def test_samples_of_a_passage_meet_in_one_partition() -> None:
    several = ("generation.samples=4", "generation.temperature=0.7")
    spread = ("kafka.topics.scored.partitions=2", "kafka.topics.curated.partitions=2")
    with pytest.raises(SettingsError, match=r"generation\.samples 4 needs one partition of scored"):
        load(assignments=(*several, *spread))
    load(assignments=several)
    load(assignments=spread)
    load(assignments=(*several, *spread, "curation.rules.outrated=false"))


def test_the_documentation_lists_every_key_with_its_default() -> None:
    text = (Path(__file__).parents[3] / "docs" / "settings.md").read_text(encoding="utf-8")
    keys = text[text.index("## Every key") :]
    documented = {
        (title.strip("`").replace("Top level", ""), key): default.strip("`")
        for title, table in re.findall(r"^### (.+?)\n(.+?)(?=^###|\Z)", keys, re.M | re.S)
        for key, default in re.findall(r"^\| `(\w+)` \| (.+?) \|", table, re.M)
    }
    settings = Settings()
    actual: dict[tuple[str, str], object] = {
        ("kafka.topics.TOPIC", key): default for key, default in settings.kafka.topics.documents
    }
    actual |= {("curation.rules", rule): on for rule, on in settings.curation.rules}
    actual |= {("remote.prices.ROLE", key): price for key, price in settings.remote.prices.backward}
    for name, value in settings:
        if isinstance(value, BaseModel):
            own = {key: inner for key, inner in value if key not in ("topics", "rules", "prices")}
            actual |= {(name, key): inner for key, inner in own.items()}
        else:
            actual["", name] = value
    assert documented.keys() == actual.keys()
    del actual["training", "threads"], documented["training", "threads"]  # "all CPUs"
    assert documented.pop(("generation", "openings")).startswith(f"{len(OPENINGS)} words")
    assert actual.pop(("generation", "openings")) == OPENINGS
    assert documented.pop(("answering", "formats")) == ", ".join(settings.answering.formats)
    del actual["answering", "formats"]
    assert documented.pop(("segments", "refused_headings")).startswith(f"{len(NAVIGATION)} names")
    assert actual.pop(("segments", "refused_headings")) == NAVIGATION
    assert documented.pop(("curation", "invented_keywords")).startswith("those of Self-Instruct")
    assert actual.pop(("curation", "invented_keywords")) == SELF_INSTRUCT_KEYWORDS
    assert documented.pop(("curation", "mix")).startswith(f"{len(MIX)} shares")
    assert actual.pop(("curation", "mix")) == MIX
    for at, value in actual.items():
        words = "none" if value is None else "empty" if value in ("", ()) else str(value)
        assert documented[at].lower() in (words.lower(), words.removesuffix(".0")), at
