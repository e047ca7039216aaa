"""The registry of prompt templates, used by training and by inference."""

from models.prompts.tasks import backward, forward, rating
from models.prompts.template import Family, Task, Template

_TEMPLATES = (*backward.TEMPLATES, *forward.TEMPLATES, *rating.TEMPLATES)


def template_for(task: Task, family: Family) -> Template:
    """The current template of a task. Each pair of task and family has exactly one."""
    return next(t for t in _TEMPLATES if t.task is task and t.family is family)
