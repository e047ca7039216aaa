"""What the project does on a GPU: ``python -m bench.gpu``, or ``make gpu``.

- ``__main__``: runs each section in a process of its own and reports.
- ``subjects``: models, their graphs and prompts.
- ``exactness``, ``sampling``, ``speed``, ``agents``, ``training``: the sections.
"""
