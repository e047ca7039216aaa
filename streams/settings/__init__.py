"""Settings: what can be set (``schema``), and where the values come from (``sources``)."""

from streams.settings.schema import (
    CurationSettings,
    GenerationSettings,
    KafkaSettings,
    ReleaseSettings,
    ReratingSettings,
    Role,
    SegmentSettings,
    Settings,
    TrainerSettings,
)
from streams.settings.sources import load

__all__ = [
    "CurationSettings",
    "GenerationSettings",
    "KafkaSettings",
    "ReleaseSettings",
    "ReratingSettings",
    "Role",
    "SegmentSettings",
    "Settings",
    "TrainerSettings",
    "load",
]
