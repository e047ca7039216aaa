"""The whole method on data that nobody here wrote: what its loop gains over human pairs alone,
``python -m bench.loop``.

Reading order: ``settings`` states every choice beforehand, ``splits`` says who reads what.
``experiment`` is the order of it all, one ``steps`` result file after the other: ``base`` (a model
of text alone), ``tune`` (one fine-tuning), ``stages`` (writing, rating and curating), ``measure``
(one model on held-out pairs). ``report`` makes docs/results/loop.md of the result files, through
``intervals``, ``comparisons``, ``quality`` and ``plots``.
"""
