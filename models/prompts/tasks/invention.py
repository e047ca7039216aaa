"""Invention: a new instruction, what kind of task it sets, and what it is to be applied to.

The order of steps is that of Self-Instruct (arXiv 2212.10560, section 2.2): an instruction after
others; whether its answer is one of a few labels; then an input, which the forward task answers, or
for a classification first the labels, then an input for each. The words and the worked examples are
our own.

The house model was trained on none of this. Its instruction is what it writes after its own
instruction marker, without exemplars. It writes nothing in place of an input, and no yes or no.
"""

from models.prompts.template import Family, Task, Template

YES, NO = " yes", " no"
"""The options of the kind of task: whether it is a classification."""
NO_INPUT = "none"
"""The input of a task that needs none."""

_KINDS = (
    ("Choose the best title for the paragraph from the options A, B, C and D.", YES),
    ("Write a short poem about the sea.", NO),
    ("Is the following statement true or false?", YES),
    ("How do I remove a red wine stain from a carpet?", NO),
    ("Summarize the article in two sentences.", NO),
    ("Decide whether the review below is positive or negative.", YES),
    ("Which of these animals is a bird: dog, sparrow, trout?", YES),
    ("Suggest five names for a bookshop.", NO),
    ("Label each message as spam or not spam.", YES),
    ("Translate the sentence into French.", NO),
    ("What was the cause of the French Revolution?", NO),
    ("Say which language the sentence is written in.", YES),
    ("Does the headline belong to sport, politics or business?", YES),
    ("Rewrite the paragraph in a formal tone.", NO),
    ("Explain how a heat pump works to a child.", NO),
    ("Rate the urgency of the request as low, medium or high.", YES),
    ("Is the number 91 prime?", YES),
    ("Plan a three-day trip to Lisbon on a small budget.", NO),
    ("Tell me whether the two sentences contradict each other.", YES),
    ("List all the people that the text mentions.", NO),
    ("Identify whether each item is a fruit or a vegetable.", YES),
    ("Write an e-mail to your landlord about a broken heater.", NO),
    ("Tell which emotion the tweet expresses: joy, anger, fear or sadness.", YES),
    ("Create a recipe from the ingredients that are given.", NO),
)
"""Tasks, and whether they are classifications: as many of each kind, which favours neither."""

_INPUTS = (
    (
        "Correct the spelling of the sentence.",
        "I recieved teh parcel yesturday and it was allready open.",
    ),
    ("List five uses of baking soda.", NO_INPUT),
    (
        "Say what the main argument of the text is.",
        "Cities should plant more trees, because shade lowers the temperature of streets in summer "
        "and rain soaks into the ground instead of flooding the drains.",
    ),
    ("Why is the sky blue?", NO_INPUT),
    (
        "Turn the notes into a friendly message to a customer.",
        "order 318 delayed, new date Friday, 10% off next order",
    ),
    ("Write a birthday poem for a colleague.", NO_INPUT),
    (
        "Convert the recipe to metric units.",
        "2 cups of flour, 1 pint of milk, 4 ounces of butter, 1 teaspoon of salt",
    ),
)

_LABELLED = (
    (
        "Decide whether the review is about the food or the service.",
        "food, service",
        "service",
        "We waited forty minutes before anybody took our order.",
    ),
    (
        "Which language is the sentence written in?",
        "English, French, German, Spanish",
        "French",
        "Le train de neuf heures est en retard.",
    ),
    (
        "Does the second sentence follow from the first?",
        "yes, no, maybe",
        "no",
        "Anna owns a red bicycle. Anna rides to work every day.",
    ),
    (
        "Rate the urgency of the request.",
        "low, medium, high",
        "high",
        "The server room is flooding and the backup has stopped.",
    ),
    (
        "Is the following statement a fact or an opinion?",
        "fact, opinion",
        "opinion",
        "The old station is the ugliest building in the town.",
    ),
)
"""Classifications, their labels, one of these, and an input that has it."""

SHOWN_INPUTS = frozenset((*(given for _, given in _INPUTS), *(given for *_, given in _LABELLED)))
"""The inputs of the worked examples, which a model must not write again."""

_SERIES = "Come up with a series of tasks."
_KIND = (
    "Can each of these tasks be regarded as a classification task, whose answer is one of a few "
    "labels?\n\n"
    + "".join(f"Task: {task}\nClassification:{answer}\n\n" for task, answer in _KINDS)
    + "Task: {instruction}"
)
_INPUT = (
    f"Write an example input for each task. If a task needs no input, write {NO_INPUT}.\n\n"
    + "".join(f"Task: {task}\nInput: {given}\n\n" for task, given in _INPUTS)
    + "Task: {instruction}"
)
_LABELS = (
    "Write the labels of each classification task.\n\n"
    + "".join(f"Task: {task}\nLabels: {labels}\n\n" for task, labels, *_ in _LABELLED)
    + "Task: {instruction}"
)
_LABELLED_INPUT = (
    "Write an example input for each task whose right answer is the label.\n\n"
    + "".join(
        f"Task: {task}\nLabel: {label}\nInput: {given}\n\n" for task, _, label, given in _LABELLED
    )
    + "Task: {instruction}\nLabel: {label}"
)
_ASKED_MARKERS = "{tag}<|instruction|>{instruction}"


def _templates(task: Task, text: str, lead: str, markers: str) -> tuple[Template, ...]:
    """The templates of a task; ``lead`` begins the answer, on a line of its own."""
    whole = f"{text}\n{lead}"
    return (
        Template(task, Family.MARKERS, 1, markers, markers),
        Template(task, Family.CHAT, 1, text, text, lead=lead),
        Template(task, Family.PLAIN, 1, whole, whole),
    )


TEMPLATES = (
    # The exemplars begin the answer: where they stand in the request, a small model copies one.
    *_templates(Task.INVENTION, _SERIES, "{tasks}\n{number}.", "{tag}<|instruction|>"),
    *_templates(Task.KIND, _KIND, "Classification:", f"{_ASKED_MARKERS}<|response|>"),
    *_templates(Task.INPUT, _INPUT, "Input:", _ASKED_MARKERS),
    *_templates(Task.LABELS, _LABELS, "Labels:", f"{_ASKED_MARKERS}<|response|>"),
    *_templates(Task.LABELLED_INPUT, _LABELLED_INPUT, "Input:", _ASKED_MARKERS),
)
