"""The page in Chromium: light and dark, on a phone, by keyboard alone, and without scripts."""

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, Route, expect

from bench.chromium import CHROMIUM
from schemas.records import Example, Rejection
from streams.kafka.topics import DEAD_LETTERS, SEGMENTS
from streams.kafka.writing.dead_letters import dead_letter
from streams.page.store.item_views import DocumentPlace, RefusedPassage
from streams.page.store.store import Store
from tests.unit.streams.page.served import Filled, served
from tests.unit.streams.page.stream import fill
from tests.unit.streams.page.topics import (
    candidate,
    document,
    example,
    rating,
    scored,
    segment,
)

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium"),
    pytest.mark.slow,
]

_PAGES = (
    "/",
    "/items",
    "/item?id=hostile",
    "/rate",
    "/releases",
    "/letters",
    "/letters/0@0",
    "/keys",
)
_SERIOUS = ("serious", "critical")


def complaints_of(page: Page) -> list[str]:
    """What the browser reports from now on: errors of scripts, and breaches of the policy.

    A request that the browser ends because it loads another page is none.
    """
    found: list[str] = []

    def failed(request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":
            found.append(f"failed {request.url}")

    page.on("console", lambda message: found.append(message.text))
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("dialog", lambda dialog: found.append(f"dialog {dialog.message}"))
    page.on("requestfailed", failed)
    return found


@pytest.fixture(scope="module")
def filled() -> Iterator[Filled]:
    """A page that no test changes."""
    with Store() as store, served(store) as page:
        fill(page.topics)
        yield page


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_pages_are_accessible_and_fit(
    browser: Browser, filled: Filled, scheme: Any, width: int
) -> None:
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 800}, reduced_motion="reduce"
    )
    page = context.new_page()
    complaints = complaints_of(page)
    for path in _PAGES:
        page.goto(filled.origin + path)
        beyond = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert beyond <= 0, f"{path} is wider than the window"
        violations = Axe().run(page).response["violations"]
        serious = [(one["id"], one["nodes"]) for one in violations if one["impact"] in _SERIOUS]
        assert not serious, path
    # A stream of events is broken off where the next page is opened.
    assert [one for one in complaints if not one.endswith("/events")] == []
    context.close()


@pytest.mark.parametrize("width", [320, 375])
def test_long_names_do_not_widen_a_page_nor_break_words_of_a_table(
    browser: Browser, stream: Filled, width: int
) -> None:
    name = "docs/32-ges_zensical_templates_partials_languages_hi.html"
    named = {"source": name, "document_id": "d2"}
    stream.topics.write(
        document().model_copy(update={"title": "a" * 3000}),
        document("d2").model_copy(update={"source": name}),
        segment("s9").model_copy(update={**named, "headings": ("b" * 300,)}),
        scored("long", instruction="c" * 3000),
        Rejection(id="d2", stage="segmenter", reason="d" * 99, detail="e" * 300, document_id="d2"),
        Rejection(id="s9", stage="backward", reason="f" * 99, segment_id="s9"),
        *(
            view.release.model_copy(update={"id": f"house-aaaa1111{view.id}"})
            for view in stream.topics.store.releases()
            if view.release is not None
        ),
    )
    page = browser.new_page(viewport={"width": width, "height": 800})
    for path in (*_PAGES, *(f"/item?id={id}" for id in ("e1", "long", "d2", "s9"))):
        page.goto(stream.origin + path)
        beyond = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert beyond <= 0, f"{path} is wider than the window"
    page.goto(f"{stream.origin}/releases")
    page.locator("summary", has_text="Deploy").first.click()
    for selector in ("th[scope=row] a", "td .verdict", "td button:visible"):
        for text in page.locator(f".scroll {selector}").all():
            lines = text.evaluate(
                "e => { const all = document.createRange(); all.selectNodeContents(e);"
                " return all.getClientRects().length; }"
            )
            assert lines == 1, text.text_content()
    page.close()


def test_texts_of_the_topics_do_nothing(browser: Browser, filled: Filled) -> None:
    page = browser.new_page()
    complaints = complaints_of(page)
    page.goto(f"{filled.origin}/item?id=hostile")
    expect(page.locator(".text").first).to_contain_text("<script>alert(1)</script>")
    assert page.locator("main script, main img").count() == 0
    assert complaints == []
    page.close()


def test_the_policy_forbids_inline_scripts_and_eval(browser: Browser, filled: Filled) -> None:
    page = browser.new_page()
    complaints = complaints_of(page)
    page.goto(f"{filled.origin}/keys")
    page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "document.title = 'run'";
          document.body.append(script);
          document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='document.title=1'>");
        }"""
    )
    page.wait_for_timeout(100)
    assert page.title() == "Keys · Backstream"
    assert any("Content Security Policy" in one for one in complaints)
    page.close()


def test_figures_change_with_the_stream(browser: Browser, stream: Filled) -> None:
    page = browser.new_page()
    page.goto(stream.origin)
    total = page.locator("main strong").first
    expect(total).to_have_text("3")
    page.get_by_text("The same as a table").click()
    pair = scored("new", rating(4.9))
    stream.topics.write(candidate("new"), pair, example(pair))
    expect(total).to_have_text("4")
    # What was opened stays open.
    expect(page.get_by_role("columnheader", name="Messages or refusals")).to_be_visible()
    page.goto(f"{stream.origin}/items")
    stream.topics.write(candidate("newer"), scored("newer"))
    expect(page.get_by_text("load again")).to_be_visible()
    page.close()


def test_a_list_by_keyboard_alone(browser: Browser, stream: Filled) -> None:
    page = browser.new_page()
    page.goto(f"{stream.origin}/items?verdict=accepted&order=worst")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("j")
    page.keyboard.press("j")
    rows = page.locator(".row")
    expect(rows.nth(1)).to_be_focused()
    outline = rows.nth(1).evaluate("row => getComputedStyle(row).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("2")
    expect(page.get_by_role("status")).to_have_text("Rated.")
    page.keyboard.press("d")
    expect(rows.nth(1)).to_contain_text("drop")
    expect(page.get_by_role("status")).to_contain_text("Dropped")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("dropped")
    page.keyboard.press("u")
    expect(page.get_by_role("status")).to_contain_text("taken back")
    page.keyboard.press("b")
    expect(page).to_have_url(f"{stream.origin}/items?verdict=accepted&order=worst")
    page.keyboard.press("/")
    page.keyboard.type("nothing-like-this")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No item passes this filter.")).to_be_visible()
    assert [action for action, *_ in stream.actions.done] == ["rate", "drop", "undo"]
    page.close()


def test_an_edit_by_keyboard_alone(browser: Browser, stream: Filled) -> None:
    page = browser.new_page()
    page.goto(f"{stream.origin}/item?id=e5")
    page.keyboard.press("e")
    expect(page.get_by_label("Request", exact=False).first).to_be_focused()
    # Keys that decide elsewhere are letters here.
    page.keyboard.type("dad? ")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Edited")
    assert stream.actions.texts is not None
    assert "dad? " in stream.actions.texts.instruction
    page.close()


def test_rating_by_keys(browser: Browser, stream: Filled) -> None:
    page = browser.new_page()
    page.goto(f"{stream.origin}/rate")
    for key in "135":
        page.keyboard.press(key)
        expect(page.get_by_role("status")).to_have_text("Rated.")
        page.goto(page.url.replace("done=rated", ""))
    rated = [(one[1], one[2]) for one in stream.actions.done]
    assert [score for _, score in rated] == [1, 3, 5]
    assert len({id for id, _ in rated}) == 3
    page.keyboard.press("u")
    expect(page.get_by_role("button", name="Rate 5 of 5")).to_have_attribute("aria-pressed", "true")
    page.close()


def test_keys_can_be_switched_off(browser: Browser, stream: Filled) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{stream.origin}/keys")
    page.get_by_label("Single keys act").uncheck()
    page.goto(f"{stream.origin}/item?id=e5")
    page.keyboard.press("d")
    page.wait_for_timeout(200)
    assert stream.actions.done == []
    context.close()


def test_forms_act_without_scripts(browser: Browser, stream: Filled) -> None:
    context = browser.new_context(java_script_enabled=False)
    page: Page = context.new_page()
    page.goto(f"{stream.origin}/item?id=e5")
    page.get_by_role("button", name="Drop").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("dropped")
    page.goto(f"{stream.origin}/releases")
    page.get_by_text("Deploy…").click()
    page.get_by_role("button", name="Deploy r2").click()
    assert [action for action, *_ in stream.actions.done] == ["drop", "promote"]
    context.close()


@pytest.mark.parametrize("id", ["../keys", "a/b?c#d%2F", "two\r\nlines\x00"])
def test_foreign_ids_are_opened_and_decided_about_by_keys(
    browser: Browser, stream: Filled, id: str
) -> None:
    stream.topics.write(scored(id))
    page = browser.new_page()
    page.goto(f"{stream.origin}/items")
    page.keyboard.press("j")
    page.keyboard.press("u")
    expect(page.get_by_role("status")).to_contain_text("nothing to take back")
    expect(page.locator(".now")).to_have_count(0)
    page.keyboard.press("d")
    expect(page.get_by_role("status")).to_contain_text("Dropped")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("dropped")
    page.keyboard.press("u")
    expect(page.get_by_role("status")).to_contain_text("taken back")
    assert [one[1] for one in stream.actions.done] == [id, id]
    page.close()


def test_an_edit_is_awaited_until_it_is_written(browser: Browser, stream: Filled) -> None:
    page = browser.new_page()
    complaints = complaints_of(page)
    page.goto(f"{stream.origin}/item?id=e5")
    page.keyboard.press("e")
    page.get_by_label("Request").fill("Why?")
    page.get_by_role("button", name="Keep it with these texts").click()
    expect(page.get_by_text("Awaited")).to_be_visible()
    texts = page.get_by_label("Texts")
    expect(texts.locator(".text").first).to_have_text("Why?")
    expect(texts.get_by_text("When does water boil?")).to_be_hidden()
    page.get_by_text("As it is until then").click()
    expect(texts.get_by_text("When does water boil?")).to_be_visible()
    page.goto(f"{stream.origin}/items")
    expect(page.locator(".row", has_text="edit by ada, awaited")).to_have_count(1)
    page.go_back()

    details = stream.topics.store.item("e5")
    assert details is not None
    assert isinstance(details.pair, Example)
    written = details.pair.model_copy(
        update={"instruction": "Why?", "ruling": stream.actions.ruling}
    )
    stream.topics.write(written)
    # Without loading the page again.
    expect(page.get_by_text("Awaited")).to_have_count(0)
    expect(page.get_by_text("When does water boil?")).to_have_count(0)
    expect(page.get_by_label("Texts").locator(".text").first).to_have_text("Why?")
    assert [one for one in complaints if not one.endswith("/events")] == []
    page.close()


def test_an_open_item_follows_what_others_do(browser: Browser, stream: Filled) -> None:
    page = browser.new_page()
    complaints = complaints_of(page)
    page.goto(f"{stream.origin}/item?id=e5")
    page.keyboard.press("e")
    page.get_by_label("Request").fill("Half of a que")
    details = stream.topics.store.item("e5")
    assert details is not None
    stream.actions.drop(details, "Grace")
    expect(page.get_by_text("Drop by Grace")).to_be_visible()
    expect(page.get_by_role("button", name="Undo drop")).to_be_visible()
    # What is typed stays, also where the form is closed.
    page.get_by_text("Edit e").click()
    stream.actions.undo("e5", "Grace")
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    page.get_by_text("Edit e").click()
    expect(page.get_by_label("Request")).to_have_value("Half of a que")
    expect(page.get_by_label("Request")).to_be_visible()
    assert [one for one in complaints if not one.endswith("/events")] == []
    page.close()


def test_what_is_as_it_was_is_not_replaced(browser: Browser, stream: Filled) -> None:
    page = browser.new_page()
    streams: list[Route] = []
    page.route("**/events", lambda route: streams.append(route))
    page.goto(f"{stream.origin}/item?id=e5")
    shown = page.locator("main .text, main button").element_handles()
    with page.expect_response(lambda response: "/parts/item/texts" in response.url):
        streams[0].continue_()
    with page.expect_response(lambda response: "/parts/item/texts" in response.url):
        stream.topics.write(scored("another"))
    assert len(shown) > 5
    assert all(one.evaluate("element => element.isConnected") for one in shown)
    page.close()


def test_a_closed_form_is_that_of_the_present_texts(browser: Browser, stream: Filled) -> None:
    page = browser.new_page()
    page.goto(f"{stream.origin}/item?id=e5")
    page.keyboard.press("e")
    details = stream.topics.store.item("e5")
    assert details is not None
    stream.actions.edit(details, "Grace", instruction="Hers?", context=None, response=None)
    expect(page.get_by_text("Edit by Grace")).to_be_visible()
    page.get_by_text("Edit e").click()
    expect(page.locator("textarea").first).to_have_value("Hers?")
    page.close()


def test_who_rates_sees_that_somebody_else_has_rated(browser: Browser, stream: Filled) -> None:
    page = browser.new_page()
    page.goto(f"{stream.origin}/rate?id=e5")
    details = stream.topics.store.item("e5")
    assert details is not None
    stream.actions.rate(details, 2, "Grace")
    expect(page.get_by_text("Rated 2 by Grace")).to_be_visible()
    page.keyboard.press("5")
    expect(page.get_by_role("status")).to_contain_text("Nothing was done")
    expect(page.get_by_role("button", name="Rate 2 of 5")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("5")
    expect(page.get_by_role("status")).to_have_text("Rated.")
    assert [score for _, _, score, _ in stream.actions.done] == [2, 5]
    page.close()


def test_dead_letters_and_releases_follow_the_stream(browser: Browser, stream: Filled) -> None:
    page = browser.new_page()
    page.goto(f"{stream.origin}/letters")
    expect(page.locator("[data-live] strong")).to_have_text("1")
    message = stream.topics.received(SEGMENTS, b"other", b"other")
    letter = dead_letter(message, "backward", ValueError("broken"))
    stream.topics.fold(
        [stream.topics.received(DEAD_LETTERS, letter.key, letter.value, letter.headers)]
    )
    page.get_by_text("There are others than shown: load again").click()
    expect(page.locator(".row")).to_have_count(2)

    page.goto(f"{stream.origin}/releases")
    page.get_by_text("Deploy…").click()
    [kept] = [one.release for one in stream.topics.store.releases() if one.id == "r2"]
    assert kept is not None
    with page.expect_response(lambda response: "/parts/releases" in response.url):
        stream.topics.write(kept.model_copy(update={"id": "r3"}))
    expect(page.get_by_role("button", name="Deploy r2")).to_be_visible()
    # The list waits until the form is closed.
    page.get_by_text("Deploy…").click()
    expect(page.get_by_role("row", name="r3")).to_be_visible()
    page.close()


def test_what_the_segmenter_refused_comes_when_the_page_is_there(browser: Browser) -> None:
    def refused_of(place: DocumentPlace) -> tuple[RefusedPassage, ...]:
        return (RefusedPassage("short", 3, ("Guide",), "<b>Too short.</b>", "too_short"),)

    with Store() as store, served(store, refused_of) as stream:
        refused = Rejection(id="short", stage="segmenter", reason="too_short", document_id="d1")
        stream.topics.write(document(), refused)
        page = browser.new_page()
        complaints = complaints_of(page)
        page.goto(f"{stream.origin}/items?stage=segmenter")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        expect(page.locator(".passage")).to_have_text("<b>Too short.</b>")
        expect(page.get_by_text("Guide › passage 4 of the document")).to_be_visible()
        assert [one for one in complaints if not one.endswith("/events")] == []
        page.close()
