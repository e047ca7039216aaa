"""How well models write instructions, on held-out human pairs and on documentation.

``python -m bench.writer dolly.jsonl`` measures the writer beside SmolLM2 as it is and the house
model, and writes the figures into ``models/writer/CARD.md``. Reading order: ``material`` (what is
measured on), ``records`` (what a model did, kept in a file), ``measure`` (how it is asked),
``figures`` (what follows from the records), ``card``.
"""
