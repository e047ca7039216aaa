"""Other files that are read: seeds, human ratings, manifests of releases, indices of weights."""

import contextlib
import gzip
from base64 import b64encode
from pathlib import Path
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models.evaluation.human_ratings import rated_pairs, read_ratings
from models.releases.checkpoints import weight_files
from models.releases.release import MANIFEST, read_manifest, verify
from models.releases.signing import SIGNATURE, SigningKey, TrustedKeys, signer_of
from models.releases.store import ReleaseStore
from models.seeds.formats import Reading, Turns, read_pairs
from schemas.errors import ModelError, SourceError, TrainingError
from schemas.records import Example, HumanRating
from schemas.release import Release
from schemas.text import Warned
from tests.fuzz.messages import to_json
from tests.fuzz.mutation import altered, damaged, odd_value
from tests.fuzz.records import VALUES
from tests.fuzz.target import Parts
from tests.fuzz.targets.wire import check_encodes_again


def _lines(random: Random, rows: list[dict[str, Any]]) -> bytes:
    data = b"".join(
        to_json(altered(random, row) if random.random() < 0.6 else row) + b"\n" for row in rows
    )
    if random.random() < 0.5:
        data = damaged(random, data, [data])
    return data


class SeedsFile:
    """Published human pairs in every format that is read."""

    share = 8

    def __init__(self, directory: Path) -> None:
        self._file = directory / "seeds.jsonl"

    def make(self, random: Random) -> Parts:
        data = _lines(random, [self._row(random) for _ in range(random.randrange(1, 4))])
        if random.random() < 0.2:
            data = gzip.compress(data, 1, mtime=0)
            if random.random() < 0.7:
                data = damaged(random, data, [data])
        return (data, random.choice((b"first", b"all")))

    def check(self, parts: Parts) -> None:
        self._file.write_bytes(parts[0] or b"")
        turns = Turns.ALL if parts[1] == b"all" else Turns.FIRST
        for found in read_pairs(self._file, Reading(turns, replies=2)):
            assert isinstance(found, Example | SourceError | Warned), (
                f"yields {type(found).__name__}"
            )
            if isinstance(found, Example):
                check_encodes_again(found)

    def _row(self, random: Random) -> dict[str, Any]:
        pair = VALUES[Example](random)
        asked, answered = pair["instruction"], pair["response"]
        match random.randrange(4):
            case 0:
                return {"instruction": asked, "context": "", "response": answered}
            case 1:
                return {"instruction": asked, "input": pair["context"], "output": answered}
            case 2:
                return {"instruction": asked, "instances": [{"input": "", "output": answered}]}
            case _:
                reply: dict[str, Any] = {"text": answered, "rank": 0, "replies": []}
                for _ in range(random.choice((0, 1, 2, 3, 400))):
                    reply = {"text": "so?", "rank": 1.5, "review_result": True, "replies": [reply]}
                return {"message_tree_id": "t", "prompt": {"text": asked, "replies": [reply]}}


class RatingsFile:
    """Human ratings, as the trainer hands them to the training process."""

    share = 7

    def __init__(self, directory: Path) -> None:
        self._file = directory / "ratings.jsonl"

    def make(self, random: Random) -> Parts:
        rows = [VALUES[HumanRating](random) for _ in range(random.randrange(1, 4))]
        return (_lines(random, rows),)

    def check(self, parts: Parts) -> None:
        self._file.write_bytes(parts[0] or b"")
        try:
            ratings = read_ratings(self._file)
        except TrainingError:
            return
        assert len(rated_pairs(ratings)) == len({rating.id for rating in ratings})


class ManifestFile:
    """The manifest of a release."""

    share = 8

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        (directory / "config.json").write_text("{}")

    def make(self, random: Random) -> Parts:
        value = {
            "id": "r-1a2b3c4d",
            "parent": "house-11223344",
            "base": "house-11223344",
            "run": "5" * 64,
            "created_at": 1.7e9,
            "templates": {"backward": "backward.markers.1"},
            "files": {"config.json": "4" * 64, "model.onnx": "0" * 64},
            "metrics": {"nll": 1.5},
            "parent_metrics": {"nll": 1.75},
            "counts": {"examples": 200, "seeds": 96},
            "intervals": {"nll": [-0.25, -0.5, -0.125]},
            "verdict": {"promote": True, "reason": "better"},
            "calibration": [1.0, 0.0],
            "golden": [
                {"task": "backward", "prompt": [1, 2, 3], "greedy": [4, 5]},
                {"task": "rating", "prompt": [1], "probabilities": [0.1, 0.2, 0.3, 0.2, 0.2]},
            ],
        }
        data = to_json(altered(random, value) if random.random() < 0.8 else value)
        return (damaged(random, data, [data]) if random.random() < 0.5 else data,)

    def check(self, parts: Parts) -> None:
        (self._directory / MANIFEST).write_bytes(parts[0] or b"")
        try:
            manifest = read_manifest(self._directory)
            written = manifest.model_dump_json()
            (self._directory / MANIFEST).write_text(written)
            assert read_manifest(self._directory).model_dump_json() == written
            verify(self._directory)
        except ModelError:
            return


class ReleaseDirectories:
    """An announced release, its directory, its manifest and its signature."""

    share = 4

    def __init__(self, directory: Path) -> None:
        self._manifests = ManifestFile(directory)
        self._key = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(32)))
        self._releases = directory / "releases"
        self._release = self._releases / "r-1a2b3c4d"
        self._release.mkdir(parents=True, exist_ok=True)
        (self._release / "config.json").write_text("{}")

    def make(self, random: Random) -> Parts:
        [manifest] = self._manifests.make(random)
        # Not of the target's key, which is never made into an input.
        signature = b"ed25519 " + b64encode(random.randbytes(32)) + b" " + b64encode(bytes(64))
        if random.random() < 0.5:
            signature = damaged(random, signature, [signature])
        announced = VALUES[Release](random)
        if random.random() < 0.6:
            announced["id"] = random.choice(("../x", "\0", "", ".", "a/b", "x" * 300, "r-1a2b3c4d"))
        return (manifest, signature, to_json(announced))

    def check(self, parts: Parts) -> None:
        manifest, signature, announced = (part or b"" for part in parts)
        (self._release / MANIFEST).write_bytes(manifest)
        (self._release / SIGNATURE).write_bytes(signature)
        try:
            release = Release.model_validate_json(announced)
        except ValueError:
            return
        for trusted in (TrustedKeys(), TrustedKeys([self._key.public])):
            with contextlib.suppress(ModelError):
                ReleaseStore(self._releases, trusted).verify(release)
                assert not trusted, "accepted without the trusted signature"
        with contextlib.suppress(ModelError):
            ReleaseStore(self._releases).signer(release.id)
        (self._release / SIGNATURE).write_bytes(self._key.sign(manifest))
        assert signer_of(manifest, self._key.sign(manifest)) == self._key.public
        with contextlib.suppress(ModelError):
            ReleaseStore(self._releases, TrustedKeys([self._key.public])).verify(release)


class WeightsIndex:
    """The configuration and the index of sharded weights of somebody's checkpoint."""

    share = 7

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        (directory / "tokenizer.json").write_text("{}")
        (directory / "a.safetensors").write_bytes(b"")

    def make(self, random: Random) -> Parts:
        parts = []
        for value in (
            {"model_type": "llama", "max_position_embeddings": 2048},
            {"metadata": {"total_size": 1}, "weight_map": {"a": "a.safetensors"}},
        ):
            data = to_json(altered(random, value) if random.random() < 0.7 else value)
            if random.random() < 0.02:
                data = to_json(odd_value(random))
            parts.append(damaged(random, data, [data]) if random.random() < 0.4 else data)
        return tuple(parts)

    def check(self, parts: Parts) -> None:
        (self._directory / "config.json").write_bytes(parts[0] or b"")
        (self._directory / "model.safetensors.index.json").write_bytes(parts[1] or b"")
        try:
            files = weight_files(self._directory)
        except ModelError:
            return
        assert all(file.parent == self._directory and file.is_file() for file in files)
