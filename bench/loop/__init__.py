"""Measures what the method's loop gains over human pairs alone: ``python -m bench.loop``.

The data was written by others. Reading order: ``settings`` has every choice, ``splits`` divides the
data. ``experiment`` is the order of the steps, each with a result file (``steps``): ``base`` (a
model trained on text alone), ``tune`` (one fine-tuning), ``stages`` (writing, rating and curating),
``measure`` (one model on held-out pairs). ``report`` writes docs/results/loop.md from the result
files, with ``bootstrap``, ``comparisons``, ``quality`` and ``plots``.
"""
