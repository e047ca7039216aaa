"""Several people at the same pair: nobody's edit or decision is overridden without notice."""

import re
from collections.abc import Iterator
from html import unescape

import pytest

from schemas.ruling import Texts
from streams.page.store.store import Store
from tests.unit.streams.page.served import Filled, served
from tests.unit.streams.page.stream import fill


@pytest.fixture
def page() -> Iterator[Filled]:
    with Store() as store, served(store) as page:
        fill(page.topics, 5)
        yield page


def test_an_edit_has_the_texts_of_the_form(page: Filled) -> None:
    page.post("/item/edit?id=e4", instruction="Why?", context="", response="Because\r\nit does.")
    assert page.actions.texts == Texts(instruction="Why?", response="Because\nit does.")
    assert "Edit by <bdi>ada</bdi>" in page.get("/item?id=e4").text
    assert page.post("/item/edit?id=e4", instruction=" ", context="", response="x").status == 400


def form_of_an_edit(html: str) -> dict[str, str]:
    """The fields of the editor, with its texts as a browser sends them."""
    html = html[html.index('<details class="edit"') :]
    texts = re.findall(r'<textarea name="(\w+)"[^>]*>\n(.*?)</textarea>', html, re.DOTALL)
    marks = re.findall(r'name="(began_\w+|seen)" value="(\w+)"', html)
    assert (len(texts), len(marks)) == (3, 4)
    sent = {name: unescape(text).replace("\n", "\r\n") for name, text in texts}
    return {**sent, **dict(marks)}


def test_an_edit_changes_no_text_that_only_somebody_else_changed(page: Filled) -> None:
    before = form_of_an_edit(page.get("/item?id=e4").text)
    first = {**before, "instruction": "Why\r\nso?"}
    assert page.post("/item/edit?id=e4", None, **first).status == 303
    second = {**before, "context": "At sea level."}
    assert page.post("/item/edit?id=e4", None, **second).status == 303
    assert page.actions.texts == Texts(
        instruction="Why\nso?", context="At sea level.", response="Water boils at 100 degrees."
    )


def test_an_edit_of_a_text_that_somebody_else_changed_shows_both(page: Filled) -> None:
    before = form_of_an_edit(page.get("/item?id=e4").text)
    page.post("/item/edit?id=e4", None, **{**before, "instruction": "Theirs?\r\nYes."})
    mine = {**before, "instruction": "Mine?", "response": "My answer.", "back": "/rate?turn=2"}
    refused = page.post("/item/edit?id=e4", None, **mine)
    assert refused.status == 409
    assert '<div class="text" dir="auto">Theirs?\nYes.</div>' in refused.text
    assert len(page.actions.done) == 1
    again = form_of_an_edit(refused.text)
    assert (again["instruction"], again["response"]) == ("Mine?", "My answer.")
    # Who saves it again has seen the other text.
    answer = page.post("/item/edit?id=e4", None, **again, back="/rate?turn=2")
    assert answer.headers["location"] == "/rate?turn=2&done=edited"
    assert page.actions.texts == Texts(instruction="Mine?", response="My answer.")


def test_equal_edits_do_not_exclude_each_other(page: Filled) -> None:
    before = form_of_an_edit(page.get("/item?id=e4").text)
    for _ in range(2):
        form = {**before, "instruction": "The same?"}
        assert page.post("/item/edit?id=e4", None, **form).status == 303


def test_an_edit_of_what_somebody_else_dropped_says_so(page: Filled) -> None:
    mine = {**form_of_an_edit(page.get("/item?id=e4").text), "instruction": "Mine?"}
    page.post("/item/drop?id=e4")
    refused = page.post("/item/edit?id=e4", None, **mine)
    assert refused.status == 409
    assert "<bdi>ada</bdi> dropped it" in refused.text
    assert [action for action, *_ in page.actions.done] == ["drop"]
    assert page.post("/item/edit?id=e4", None, **form_of_an_edit(refused.text)).status == 303
    assert page.actions.texts == Texts(instruction="Mine?", response="Water boils at 100 degrees.")


@pytest.mark.parametrize("shown", ["/item?id=e4&back=/items?order%3Dworst", "/rate?id=e4&turn=1"])
@pytest.mark.parametrize("action", ["accept", "drop", "rate"])
def test_what_somebody_else_said_meanwhile_is_not_overridden(
    page: Filled, shown: str, action: str
) -> None:
    html = page.get(shown).text
    form = html[html.index(f'action="/item/{action}?') :]
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form)
    mine = {name: unescape(value) for name, value in reversed(fields)}
    page.post("/name", name="Grace")
    page.post("/item/rate?id=e4", score="2")
    refused = page.post(f"/item/{action}?id=e4", None, **mine).headers["location"]
    assert refused.endswith("&done=changed")
    told = page.get(refused).text
    assert "Nothing was done: somebody rated this pair" in told
    assert "Rated 2 by <bdi>Grace</bdi>" in told
    assert [done for done, *_ in page.actions.done] == ["rate"]
    # What the page shows now can be overridden.
    form = told[told.index(f'action="/item/{action}?') :]
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form)
    again = {name: unescape(value) for name, value in reversed(fields)}
    answer = page.post(f"/item/{action}?id=e4", None, **again).headers["location"]
    assert "done=changed" not in answer
