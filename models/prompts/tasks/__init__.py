"""The templates of each task, a module each. The registry is ``models/prompts/templates.py``."""
