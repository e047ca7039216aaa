"""Settings: a file, the environment, assignments."""

import os
from pathlib import Path
from random import Random

import yaml

from schemas.errors import SettingsError
from streams.settings import load
from tests.fuzz.messages import to_json
from tests.fuzz.mutation import altered, damaged, odd_value, text_of
from tests.fuzz.target import Parts

_VALID = {
    "state_dir": "state",
    "model": "house",
    "threads": 2,
    "kafka": {"group": "g", "session_seconds": 6, "topic_prefix": "a.", "sasl_password": "secret"},
    "segments": {"min_characters": 300, "max_characters": 3000},
    "generation": {"temperature": 0.7, "samples": 2},
    "curation": {"threshold": 4.5},
    "training": {"min_examples": 100},
}
_TOKENS = (
    *(
        "a: ",
        "b",
        "- ",
        "\n",
        "  ",
        "[",
        "]",
        "{",
        "}",
        "&a ",
        "*a",
        "<<: *a\n",
        "!!int ",
        "!!float ",
    ),
    *("!!timestamp ", "!!binary ", "!!set ", "!!python/object:os.system ", "2001-99-99", "1:99:99"),
    *(
        "0x",
        "0b",
        "0o9",
        ".inf",
        ".nan",
        "~",
        "? ",
        "|\n",
        ">\n",
        "%YAML 9.9\n",
        "---\n",
        "...\n",
        "'",
    ),
    *(
        '"',
        "\\x",
        "\t",
        "#",
        "${HOME}",
        "${NOT_THERE}",
        "${",
        "1e999",
        "9" * 50,
        "=",
        "\0",
        "\ufeff",
    ),
)
_LONGEST = 4_000
_NAMES = (
    *("BACKSTREAM_THREADS", "BACKSTREAM_KAFKA", "BACKSTREAM_KAFKA__GROUP", "BACKSTREAM_kafka__"),
    *(
        "BACKSTREAM_KAFKA__GROUP__MORE",
        "BACKSTREAM_",
        "BACKSTREAM_STATE_DIR",
        "BACKSTREAM_CURATION",
    ),
    *("BACKSTREAM_SEGMENTS__MIN_CHARACTERS", "BACKSTREAM_MODEL", "BACKSTREAM_TRAINING__THREADS"),
)
_KEYS = (
    *(
        "threads",
        "kafka",
        "kafka.group",
        "kafka.group.more",
        "curation.threshold",
        "",
        ".",
        "kafka.",
    ),
    *(
        "self",
        "_env_file",
        "_cli_parse_args",
        "__pydantic_self__",
        "model_config",
        "port",
        "0",
        "é",
    ),
)


class SettingsSources:
    """``load`` of a file, a variable and an assignment together."""

    share = 1

    def __init__(self, directory: Path) -> None:
        self._file = directory / "settings.yaml"

    def make(self, random: Random) -> Parts:
        value = altered(random, _VALID) if random.random() < 0.7 else _VALID
        data = to_json(value)
        if random.random() < 0.4:
            data = yaml.safe_dump(_VALID).encode()
        if random.random() < 0.4:
            data = text_of(random, _TOKENS)[:_LONGEST].encode()
        if random.random() < 0.5:
            data = damaged(random, data, [data])
        name = random.choice(_NAMES).encode() if random.random() < 0.3 else b""
        assignment = b""
        if random.random() < 0.4:
            right = to_json(odd_value(random))
            if random.random() < 0.4:
                right = text_of(random, _TOKENS)[:_LONGEST].encode()
            assignment = random.choice(_KEYS).encode() + b"=" + right
        variable = damaged(random, to_json(random.choice((_VALID["kafka"], 1, "x", {}))))
        return (data[:_LONGEST], name, variable[:_LONGEST], assignment[:_LONGEST])

    def check(self, parts: Parts) -> None:
        content, name, variable, assignment = (part or b"" for part in parts)
        self._file.write_bytes(content)
        if name:
            value = variable.replace(b"\0", b"").decode("utf-8", "surrogateescape")
            os.environ[name.decode()] = value
        given = (assignment.decode("utf-8", "surrogateescape"),) if assignment else ()
        try:
            settings = load(self._file, None, given)
        except SettingsError:
            return
        finally:
            if name:
                del os.environ[name.decode()]
        assert repr(settings)
