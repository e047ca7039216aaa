"""Files for Argilla and Label Studio, in which people judge pairs, and what they answered.

Both tools are asked the same: a rating from 1 to 5, whether to keep or drop the pair, and its texts
where they should be others. The formats are those of the records of a data set in Argilla 2
(``from_json``, and back ``to_list(flatten=True)`` or ``to_json``), and Label Studio's JSON with
``predictions`` and ``annotations``.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from schemas.errors import SourceError
from schemas.turns import transcript
from streams.data.decisions import Pair, candidate_of
from streams.data.files import whole_file

RATING, DECISION = "rating", "decision"
KEEP, DROP = "keep", "drop"
TEXTS = ("instruction", "context", "response")
_MALFORMED = (AttributeError, KeyError, IndexError, TypeError, ValueError)
"""What reading JSON of another form raises."""
_EDITED = "edited_"
"""Before the name of a text where it is asked for."""


class Tool(StrEnum):
    """For which tool a file is."""

    ARGILLA = "argilla"
    LABEL_STUDIO = "label-studio"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one person answered about a pair."""

    id: str
    by: str
    """The tool's name of the person; empty where it gives none."""
    rating: int | None = None
    decision: str | None = None
    """``keep`` or ``drop``."""
    instruction: str | None = None
    """The text as it was edited, as for the next two; None where it was not."""
    context: str | None = None
    response: str | None = None

    @property
    def edits(self) -> dict[str, str]:
        """The texts that the person wrote, by their names."""
        found = {name: getattr(self, name) for name in TEXTS}
        return {name: text for name, text in found.items() if text is not None}


def write_pairs(tool: Tool, pairs: Iterable[Pair], file: Path) -> int:
    """Write pairs for a tool, and return their number. The file appears whole or not at all.

    Beside it, ``FILE.config.xml`` is what Label Studio is set up with, ``FILE.settings.json`` what
    Argilla is: the fields and questions of the data set. Raises BackstreamError where one of them
    cannot be written.
    """
    as_row, name = {
        Tool.ARGILLA: (_argilla_record, "settings.json"),
        Tool.LABEL_STUDIO: (_label_studio_task, "config.xml"),
    }[tool]
    rows = [as_row(pair) for pair in pairs]
    text = json.dumps(rows, ensure_ascii=False, indent=1, allow_nan=False)
    setup = _ARGILLA_SETTINGS if tool is Tool.ARGILLA else _LABEL_STUDIO_CONFIG
    for path, content in ((file, text + "\n"), (file.with_name(f"{file.stem}.{name}"), setup)):
        with whole_file(path) as opened:
            opened.write(content.encode())
    return len(rows)


def read_answers(tool: Tool, file: Path) -> Iterator[Answer | SourceError]:
    """What people answered, a value for each person and pair, oldest first.

    What cannot be understood is a SourceError with its place, and the rest is read. Raises
    SourceError where the file is not of this tool.
    """
    try:
        rows = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(rows, list):
        raise SourceError(f"{file} is not a file of {tool}: that is a list of pairs in JSON")
    answers_of = _argilla_answers if tool is Tool.ARGILLA else _label_studio_answers
    for number, row in enumerate(rows, 1):
        place = f"{file}, pair {number}"
        try:
            for one in answers_of(row):
                if isinstance(one, Answer):
                    yield one
                else:
                    yield SourceError.because(
                        one, f"{place}: one of its answers is not as {tool} writes it: {one!r}"
                    )
        except _MALFORMED as error:
            yield SourceError.because(error, f"{place} is not as {tool} writes it: {error!r}")


def _fields(pair: Pair) -> dict[str, str]:
    one = candidate_of(pair)
    return {
        "said_before": transcript(one.turns) or "",
        "instruction": one.instruction,
        "context": one.context or "",
        "response": one.response,
    }


def _about(pair: Pair) -> dict[str, Any]:
    one = candidate_of(pair)
    found = {
        "score": pair.rating.score if pair.rating else None,
        "source": one.provenance.source or None,
        "category": one.category,
        "language": one.provenance.language,
    }
    return {name: value for name, value in found.items() if value is not None}


# Argilla: fields and metadata by their names, suggestions and responses by the question's name.


def _argilla_record(pair: Pair) -> dict[str, Any]:
    fields = _fields(pair)
    texts = {f"{_EDITED}{name}": {"value": fields[name]} for name in TEXTS if fields[name]}
    return {
        "id": pair.id,
        "fields": {name: text for name, text in fields.items() if text},
        "metadata": _about(pair),
        "suggestions": texts,
        "responses": {},
        "vectors": {},
    }


def _argilla_answers(record: Mapping[str, Any]) -> Iterator[Answer | Exception]:
    people: dict[str, dict[str, Any]] = {}
    is_flat = "fields" not in record
    for question, value, by, status in (_flat if is_flat else _nested)(record):
        if status == "submitted":
            people.setdefault(by, {})[question] = value
    for by, given in people.items():
        shown = record if is_flat else record["fields"] or {}
        try:
            yield _answer(str(record["id"]), by, given, shown)
        except _MALFORMED as error:
            yield error


_Given = tuple[str, Any, str, str]
"""Question, value, person and status of an answer."""


def _flat(record: Mapping[str, Any]) -> Iterator[_Given]:
    """The answers of a record that ``to_list(flatten=True)`` wrote."""
    for key, values in record.items():
        question, mark, rest = key.rpartition(".responses")
        if mark and not rest and values is not None:
            people, statuses = record[f"{key}.users"], record[f"{key}.status"]
            for value, by, status in zip(values, people, statuses, strict=True):
                yield question, value, str(by), str(status)


def _nested(record: Mapping[str, Any]) -> Iterator[_Given]:
    """The answers of a record that ``to_json`` wrote, which leaves out the status of each.

    Raises ValueError where some may be drafts: where the record is not completed.
    """
    for question, answers in (record.get("responses") or {}).items():
        for answer in answers:
            status = answer.get("status")
            if status is None and record.get("status", "completed") != "completed":
                raise ValueError(
                    f"the record is {record['status']}, and to_json does not say which answers are "
                    "drafts: write the file with to_list(flatten=True), as docs/people.md shows"
                )
            yield question, answer["value"], str(answer.get("user_id") or ""), status or "submitted"


# Label Studio: data by the names that the configuration has, results by the name of the control.


def _label_studio_task(pair: Pair) -> dict[str, Any]:
    fields = _fields(pair)
    results = [
        {
            "from_name": f"{_EDITED}{name}",
            "to_name": "response",
            "type": "textarea",
            "value": {"text": [fields[name]]},
        }
        for name in TEXTS
        if fields[name]
    ]
    return {
        "data": {"id": pair.id, **fields, **_about(pair)},
        "predictions": [{"model_version": "backstream", "result": results}],
    }


def _label_studio_answers(task: Mapping[str, Any]) -> Iterator[Answer | Exception]:
    data = task["data"]
    for annotation in task.get("annotations") or ():
        try:
            if not annotation.get("was_cancelled"):
                yield _annotated(annotation, data)
        except _MALFORMED as error:
            yield error


def _annotated(annotation: Mapping[str, Any], data: Mapping[str, Any]) -> Answer:
    """The answer of an annotation. Raises what is in ``_MALFORMED``."""
    given: dict[str, Any] = {}
    for result in annotation["result"]:
        value = result["value"]
        given[result["from_name"]] = (
            value["rating"]
            if result["type"] == "rating"
            else value["choices"][0]
            if result["type"] == "choices"
            else _joined(value["text"])
        )
    return _answer(str(data["id"]), _name_in(annotation.get("completed_by")), given, data)


def _joined(text: str | list[str]) -> str:
    """A text of Label Studio, which is a list of them or a single one."""
    return text if isinstance(text, str) else "\n".join(text)


def _name_in(person: Any) -> str:
    """The e-mail address of a person, or else the number that Label Studio has for them."""
    if isinstance(person, Mapping):
        person = person.get("email") or person.get("id")
    return "" if person is None else str(person)


def _answer(id: str, by: str, given: Mapping[str, Any], shown: Mapping[str, Any]) -> Answer:
    """An answer of the values by question. Texts that are as they were shown are no edits.

    Raises ValueError.
    """
    rating, decision = given.get(RATING), given.get(DECISION)
    if rating is not None and (isinstance(rating, bool) or rating not in range(1, 6)):
        raise ValueError(f"the rating {rating!r} is not one of 1 to 5")
    if decision is not None and decision not in (KEEP, DROP):
        raise ValueError(f"the decision {decision!r} is not {KEEP} or {DROP}")
    texts: dict[str, str] = {}
    for name in TEXTS:
        text = given.get(f"{_EDITED}{name}")
        if isinstance(text, str) and text.strip() != str(shown.get(name) or "").strip():
            texts[name] = text.strip()
    if not all(texts.get(name, "-") for name in ("instruction", "response")):
        raise ValueError("an instruction or a response is empty")
    for text in (id, by, *texts.values()):
        text.encode()  # half of a surrogate pair cannot be written
    return Answer(id, by, rating and int(rating), decision, **texts)


_TITLES = {"said_before": "Said before", "context": "Given", "instruction": "Request"}
_ARGILLA_SETTINGS = (
    json.dumps(
        {
            "guidelines": "How well does the answer serve the request?",
            "allow_extra_metadata": True,
            "fields": [
                {
                    "name": name,
                    "title": _TITLES.get(name, "Answer"),
                    "required": name in ("instruction", "response"),
                    "settings": {"type": "text", "use_markdown": False},
                }
                for name in ("said_before", "instruction", "context", "response")
            ],
            "questions": [
                {
                    "name": RATING,
                    "title": "Rating",
                    "required": False,
                    "settings": {
                        "type": "rating",
                        "options": [{"value": value} for value in range(1, 6)],
                    },
                },
                {
                    "name": DECISION,
                    "title": "Keep it?",
                    "required": False,
                    "settings": {
                        "type": "label_selection",
                        "options": [
                            {"value": value, "text": value, "description": None}
                            for value in (KEEP, DROP)
                        ],
                        "visible_options": None,
                    },
                },
                *(
                    {
                        "name": f"{_EDITED}{name}",
                        "title": f"{_TITLES.get(name, 'Answer')}, where it should be another",
                        "required": False,
                        "settings": {"type": "text", "use_markdown": False},
                    }
                    for name in TEXTS
                ),
            ],
            "metadata": [],
            "vectors": [],
        },
        indent=1,
    )
    + "\n"
)
_LABEL_STUDIO_CONFIG = f"""\
<View>
  <Header value="Said before"/><Text name="said_before" value="$said_before"/>
  <Header value="Request"/><Text name="instruction" value="$instruction"/>
  <Header value="Given"/><Text name="context" value="$context"/>
  <Header value="Answer"/><Text name="response" value="$response"/>
  <Rating name="{RATING}" toName="response" maxRating="5"/>
  <Choices name="{DECISION}" toName="response" choice="single">
    <Choice value="{KEEP}"/><Choice value="{DROP}"/>
  </Choices>
  <TextArea name="{_EDITED}instruction" toName="response" editable="true" maxSubmissions="1"/>
  <TextArea name="{_EDITED}context" toName="response" editable="true" maxSubmissions="1"/>
  <TextArea name="{_EDITED}response" toName="response" editable="true" maxSubmissions="1"/>
</View>
"""
