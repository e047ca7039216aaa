"""The registry of prompt templates, used by training and by inference."""

from dataclasses import dataclass

from models.prompts.tasks import answering, backward, forward, invention, rating, rewriting
from models.prompts.template import Family, Task, Template

_TEMPLATES = (
    *backward.TEMPLATES,
    *forward.TEMPLATES,
    *rating.TEMPLATES,
    *answering.TEMPLATES,
    *rewriting.TEMPLATES,
    *invention.TEMPLATES,
)


@dataclass(frozen=True, slots=True)
class Templates:
    """A template for each pair of task and family: the project's, or a user's own in its place."""

    own: tuple[Template, ...] = ()
    """A user's templates, at most one for each pair of task and family."""
    source: str = ""
    """The text of the prompts file that they were read from."""

    def of(self, task: Task, family: Family) -> Template:
        """The current template of a task."""
        return next(t for t in (*self.own, *_TEMPLATES) if t.task is task and t.family is family)

    def of_family(self, family: Family) -> tuple[Template, ...]:
        """The user's templates of a family."""
        return tuple(template for template in self.own if template.family is family)


BUILT_IN = Templates()
"""The project's templates."""
