"""Pushing an export to the Hugging Face hub, in one commit.

The hub keeps files by the hash of their content. A push that was interrupted leaves no commit, and
the next one does not send again what arrived.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HFValidationError

from schemas.errors import BackstreamError

_SHARD = re.compile(r"data/(train|test)-\d{5}-of-\d{5}\.parquet")
_CARD = "README.md"
TOKEN = "HF_TOKEN"
"""The environment variable that holds the token."""


def push(repo: str, shards: Sequence[Path], card: str, *, token: str, private: bool) -> str:
    """Make the data set of ``repo`` consist of these shards and this card; return its address.

    ``repo`` is ``ORG/NAME``. It is created, private or public, if it does not exist; one that
    exists stays as private as it is. Shards of an earlier push that are not among these are
    deleted. Raises BackstreamError; then the data set is unchanged.
    """
    api = HfApi(token=token, library_name="backstream")
    try:
        address = api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        there = api.list_repo_files(repo, repo_type="dataset")
        added = [CommitOperationAdd(f"data/{shard.name}", shard) for shard in shards]
        for addition in added:  # One by one: what was sent stays, if a later one fails.
            api.preupload_lfs_files(repo, [addition], repo_type="dataset")
        stale = {path for path in there if _SHARD.fullmatch(path)}
        stale -= {addition.path_in_repo for addition in added}
        api.create_commit(
            repo,
            [
                *added,
                CommitOperationAdd(_CARD, card.encode()),
                *(CommitOperationDelete(path) for path in sorted(stale)),
            ],
            repo_type="dataset",
            commit_message="Export from Backstream",
        )
    except HFValidationError as error:
        raise BackstreamError(f"{repo} cannot be the name of a data set: {error}") from error
    except (OSError, ValueError, RuntimeError) as error:  # OSError: every error of HTTP too
        raise BackstreamError(
            f"{repo} was not pushed to {api.endpoint}: {_first_line(error)}. The data set is as it "
            "was; push again, and what arrived is not sent again"
        ) from error
    return str(address)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
