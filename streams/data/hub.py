"""Pushing an export to the Hugging Face hub, in one commit.

The hub keeps files by the hash of their content. A push that was interrupted leaves no commit, and
the next one does not send again what arrived. The commit names its parent, so that the hub refuses
it where somebody else committed since: what is stale and what is unchanged was found out there.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from schemas.errors import BackstreamError

_SHARD = re.compile(r"data/(train|test)-\d{5}-of-\d{5}\.parquet")
_CARD = "README.md"
_UNCHANGED = "The data set is as it was; push again, and what arrived is not sent again"
_UNKNOWN = (
    "Whether the hub made the commit is not known; push again, and what it has is neither sent nor "
    "committed again"
)
TOKEN = "HF_TOKEN"
"""The environment variable that holds the token."""


def push(repo: str, shards: Sequence[Path], card: str, *, token: str, private: bool) -> str:
    """Make the data set of ``repo`` consist of these shards and this card; return its address.

    ``repo`` is ``ORG/NAME``. It is created, private or public, if it does not exist; one that
    exists stays as private as it is. Shards of an earlier push that are not among these are
    deleted. Raises BackstreamError, which says whether the data set is unchanged.
    """
    api = HfApi(token=token, library_name="backstream")
    state = _UNCHANGED
    try:
        address = api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        parent = api.repo_info(repo, repo_type="dataset").sha
        there = api.list_repo_files(repo, repo_type="dataset", revision=parent)
        added = [CommitOperationAdd(f"data/{shard.name}", shard) for shard in shards]
        for addition in added:  # One by one: what was sent stays, if a later one fails.
            api.preupload_lfs_files(repo, [addition], repo_type="dataset")
        stale = {path for path in there if _SHARD.fullmatch(path)}
        stale -= {addition.path_in_repo for addition in added}
        state = _UNKNOWN
        api.create_commit(
            repo,
            [
                *added,
                CommitOperationAdd(_CARD, card.encode()),
                *(CommitOperationDelete(path) for path in sorted(stale)),
            ],
            repo_type="dataset",
            commit_message="Export from Backstream",
            parent_commit=parent,
        )
    except HFValidationError as error:
        raise BackstreamError(f"{repo} cannot be the name of a data set: {error}") from error
    except (OSError, ValueError, RuntimeError) as error:  # OSError: every error of HTTP too
        if _is_refusal(error):
            state = _UNCHANGED
        raise BackstreamError(
            f"{repo} was not pushed to {api.endpoint}: {_causes(error)}. {state}"
        ) from error
    return str(address)


def _is_refusal(error: Exception) -> bool:
    """Whether the hub answered that it did not do what it was asked."""
    if not isinstance(error, HfHubHTTPError) or error.response is None:
        return False
    return 400 <= error.response.status_code < 500


def _causes(error: BaseException) -> str:
    """What happened, in a line. The client's error may name the file alone, or the address."""
    said = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
    if isinstance(error, HfHubHTTPError) and error.server_message:
        answer = error.server_message.partition("\n")[0].rstrip(".")
        return said if answer in said else f"{said}: {answer}"
    if isinstance(error, RuntimeError) and error.__cause__ is not None:
        return f"{said}: {_causes(error.__cause__)}"
    return said
