"""The models of a process by role: one that follows the release, or one that the settings pin."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from models.engine import ThreadBudget
from models.judging.evidence import EvidenceKind
from models.releases.cache import default_cache
from models.releases.catalogue import prepare
from models.remote.address import is_remote
from models.remote.model import RemoteModel
from models.serving.model_handle import ModelHandle
from models.serving.role_model import RoleModel
from models.serving.served_model import ServedModel
from schemas.errors import ModelError, SettingsError
from streams.settings import Role, Settings
from streams.worker.remote_models import RemoteModels

log = logging.getLogger(__name__)


class RoleModels:
    """The models of a process, and a handle on one for each role.

    Roles that no setting pins share one handle, whose model is replaced with the release. It owns
    the models: ``aclose`` frees their memory.
    """

    def __init__(
        self,
        settings: Settings,
        pinned: Mapping[Role, RoleModel],
        following: Mapping[Role, ModelHandle],
        budget: ThreadBudget,
    ) -> None:
        """Use ``load``."""
        self._settings = settings
        self._pinned = pinned
        self._following = following
        self._budget = budget
        self.handles: Mapping[Role, ModelHandle] = {
            **{role: ModelHandle(model) for role, model in pinned.items()},
            **following,
        }

    @classmethod
    async def load(
        cls,
        settings: Settings,
        directory: Path,
        roles: Iterable[Role] = tuple(Role),
        term: int = 0,
        remote: RemoteModels | None = None,
    ) -> "RoleModels":
        """Load the pinned model of each role, or the release in ``directory`` with its ``term``.

        ``remote`` makes those that are served elsewhere.

        Raises ModelError where the release cannot be loaded, SettingsError where a pinned model
        cannot: that is no reason to refuse the release.
        """
        budget = ThreadBudget(settings.threads)
        remote = remote or RemoteModels(settings)
        loaded: dict[Path, ServedModel] = {}
        pinned: dict[Role, RoleModel] = {}
        follow: list[Role] = []
        try:
            for role in roles:
                name = settings.pinned(role)
                if name is None:
                    follow.append(role)
                elif is_remote(name):
                    pinned[role] = made = remote.make(role, name)
                    if role is Role.FORWARD:
                        _warn_of_the_ratings(made, settings)
                else:
                    pinned[role] = await _load_pinned(settings, role, name, loaded, budget)
            following: dict[Role, ModelHandle] = {}
            if follow:
                if directory not in loaded:
                    loaded[directory] = await load_model(settings, directory, budget, term)
                following = dict.fromkeys(follow, ModelHandle(loaded[directory]))
        except BaseException:
            for model in loaded.values():
                model.close()
            raise
        return cls(settings, pinned, following, budget)

    @property
    def following(self) -> frozenset[Role]:
        """The roles whose model is replaced with the release."""
        return frozenset(self._following)

    @property
    def release(self) -> str | None:
        """Id of the release of the roles that follow. None where there is no such role."""
        return next((handle.release for handle in self._following.values()), None)

    @contextmanager
    def paused_after(self, seconds: float) -> Iterator[None]:
        """Let no record begin with a following role once the block has run for ``seconds``.

        Ends with the block, or where it raises ModelError. After another error and when cancelled
        it goes on: the worker is ending then, and records that wait come again at the next start.
        """
        handle = self._following_handle()
        timer = asyncio.get_running_loop().call_later(max(0.0, seconds), handle.pause)
        try:
            yield
        except ModelError:
            timer.cancel()
            handle.resume()
            raise
        timer.cancel()
        handle.resume()

    async def replace(
        self, directory: Path, term: int, confirm: Callable[[], None] = lambda: None
    ) -> None:
        """Load a release beside the deployed one, replace that one, and close it.

        The stages go on meanwhile. Each record keeps the model with which it began; the previous
        model is closed when the last of its records is done. ``confirm`` is called in a thread once
        the release is loaded, and may still refuse it. Raises ModelError where the release cannot
        be loaded or is refused; then nothing has changed.
        """
        model = await load_model(self._settings, directory, self._budget, term)
        try:
            await asyncio.to_thread(confirm)
        except ModelError:
            model.close()
            raise
        previous = await self._following_handle().replace(model)
        if all(previous is not model for model in self._pinned.values()):
            await previous.aclose()

    def _following_handle(self) -> ModelHandle:
        return next(iter(self._following.values()))

    async def aclose(self) -> None:
        """Close every model."""
        for handle in self.handles.values():
            await handle.model.aclose()


async def _load_pinned(
    settings: Settings, role: Role, name: str, loaded: dict[Path, ServedModel], budget: ThreadBudget
) -> ServedModel:
    try:
        directory = await asyncio.to_thread(_prepare, settings, name)
        if directory not in loaded:
            loaded[directory] = await load_model(settings, directory, budget)
    except ModelError as error:
        raise SettingsError(
            f"{name}, which the settings name for the {role} role, cannot be used: {error}"
        ) from error
    return loaded[directory]


def _prepare(settings: Settings, name: str) -> Path:
    return prepare(name, default_cache(), templates=settings.templates())


async def load_model(
    settings: Settings, directory: Path, budget: ThreadBudget | None = None, term: int = 0
) -> ServedModel:
    """Load the release in a directory with the settings' options. Raises ModelError."""
    model = await ServedModel.load(
        directory,
        device=settings.device,
        threads=settings.threads,
        precision=settings.precision,
        memory_gb=settings.device_memory_gb,
        system=settings.system_prompt,
        budget=budget,
        term=term,
        evidence=EvidenceKind(settings.scorer.evidence),
    )
    _warn_of_a_narrow_window(model, settings)
    _warn_of_the_ratings(model, settings)
    return model


def _warn_of_a_narrow_window(model: ServedModel, settings: Settings) -> None:
    longest = model.longest_passage(settings.generation.max_tokens)
    if longest < settings.segments.max_characters:
        log.warning(
            "%s has a context window of %s tokens, which holds passages of about %s characters: "
            "longer ones (segments.max_characters is %s) will be rejected as prompt_too_long",
            model.release,
            f"{model.engine.context_window:,}",
            f"{longest:,}",
            f"{settings.segments.max_characters:,}",
        )


def _warn_of_the_ratings(model: ServedModel | RemoteModel, settings: Settings) -> None:
    rater, target = model.rater, settings.curation.target_precision
    advice = "export or train it again with this version"
    if isinstance(model, RemoteModel):
        advice = "`backstream models judge` fits one where its server gives likelihoods"
    if rater.kind != settings.scorer.evidence:
        log.warning(
            "%s has no judge: it rates by digits, although scorer.evidence is %s%s; %s",
            model.release,
            settings.scorer.evidence,
            ""
            if target is None
            else f", and curation.threshold {settings.curation.threshold:g} holds in place of "
            "curation.target_precision",
            advice,
        )
    elif target is not None and rater.judge and rater.judge.threshold_for(target) is None:
        log.warning(
            "no rating of %s has an estimated precision of %.2f (curation.target_precision): "
            "nothing will be kept; the highest is %.2f",
            model.release,
            target,
            rater.judge.curve[-1].precision,
        )
