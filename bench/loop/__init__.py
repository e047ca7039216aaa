"""Measures what the method's loop gains over human pairs alone: ``python -m bench.loop``.

The data was written by others, and the base is SmolLM2-135M-Instruct. Reading order: ``settings``
has every choice, ``splits`` divides the data, ``arms`` names the models. ``experiment`` is the
order of the steps, each with a result file (``steps``): ``tune`` (one fine-tuning), ``served`` (a
model in the engine), ``writing`` (candidates and evidence), ``ratings`` (signals and curation),
``quality`` (candidates beside the human instructions), ``measure`` (one model on held-out pairs).
``report`` writes docs/results/loop.md from the result files, with ``bootstrap``, ``comparisons``
and ``plots``.

What it costs on 2 idle cores (``plan.py``), with three training seeds:

=============================  ======  ============  ==============
step                           times   minutes each  minutes in all
=============================  ======  ============  ==============
train a model                  24      5.8           139
measure it on held-out pairs   25      2.5           64
fit its judges                 6       2.3           14
rate held-out pairs            6       1.6           9
write candidates               3       1.7           5
rate all candidates            6       4.0           24
all                                                  255
=============================  ======  ============  ==============

With ``--device cuda``, all in 38 minutes of one H200, or in 11 with a process for each training
seed.
"""
