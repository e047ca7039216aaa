"""Final answers of what a model wrote, and how far several of them agree.

``forms.py`` tells the form of a question's answer. ``finding.py`` takes the final answer from a
text by the rule of that form: ``numbers.py``, ``choices.py``, ``yes_no.py`` and ``spans.py``, which
look first at what ``stated.py`` finds. ``plain_text.py`` removes marks of Markdown and LaTeX.
``agreement.py`` takes the majority.
"""
