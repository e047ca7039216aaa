"""A report about the curated set: one HTML page that needs nothing else.

``gathering/`` reads, ``figures/`` counts, ``drawing/`` draws, ``page.py`` writes. ``content.py`` is
what the page shows, as data.
"""
