"""The kinds of task that an example may set, as databricks-dolly-15k names them."""

from collections.abc import Mapping
from enum import StrEnum


class Category(StrEnum):
    """One of the eight categories of Dolly (https://huggingface.co/datasets/databricks)."""

    BRAINSTORMING = "brainstorming"
    CLASSIFICATION = "classification"
    CLOSED_QA = "closed_qa"
    CREATIVE_WRITING = "creative_writing"
    GENERAL_QA = "general_qa"
    INFORMATION_EXTRACTION = "information_extraction"
    OPEN_QA = "open_qa"
    SUMMARIZATION = "summarization"


WITH_CONTEXT = frozenset(
    {
        Category.CLASSIFICATION,
        Category.CLOSED_QA,
        Category.INFORMATION_EXTRACTION,
        Category.SUMMARIZATION,
    }
)
"""Tasks that need material to work on: their examples have a context."""

Mix = Mapping[Category, float]
"""Wanted shares of the categories, which need not sum to 1. A category without one is not wanted.
"""
