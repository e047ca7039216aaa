"""The releases directory of a process, by its settings."""

from models.releases.signing import TrustedKeys
from models.releases.store import ReleaseStore
from streams.settings import Settings


def release_store(settings: Settings) -> ReleaseStore:
    """The store of these settings. Raises SettingsError for an invalid trusted key."""
    return ReleaseStore(settings.releases_dir, TrustedKeys(settings.releases.trusted_keys))
