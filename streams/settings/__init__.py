"""Settings: what can be set (``schema``), and where the values come from (``sources``)."""

from streams.settings.intake import IntakeSettings, WatchSettings
from streams.settings.kafka import KafkaSettings
from streams.settings.remote import RemoteSettings
from streams.settings.schema import (
    GenerationSettings,
    ReleaseSettings,
    ReratingSettings,
    Role,
    SegmentSettings,
    Settings,
    TrainerSettings,
)
from streams.settings.sources import load

__all__ = [
    "GenerationSettings",
    "IntakeSettings",
    "KafkaSettings",
    "ReleaseSettings",
    "RemoteSettings",
    "ReratingSettings",
    "Role",
    "SegmentSettings",
    "Settings",
    "TrainerSettings",
    "WatchSettings",
    "load",
]
