"""Prompts of the user's own: a YAML file of Jinja texts, as templates.

``yaml_lines`` reads the file, ``jinja_text`` turns each text into a template's, ``rules`` says what
a task asks of it, and ``reading`` puts them together.
"""
