"""Tabs of the page in Chromium: their stream of events, and keys on the rows of a list."""

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from pydantic import SecretStr

from bench.chromium import CHROMIUM
from streams.page.store.store import Store
from tests.unit.streams.page.served import Filled, served
from tests.unit.streams.page.stream import fill

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium"),
    pytest.mark.slow,
]

_TOKEN = "a-token-of-the-test"
_READ = "not live: the topics have not been read yet"
"""What the server says of the stream of a test."""
_HIDDEN = """
window.isHidden = true;
Object.defineProperty(document, "hidden", { get: () => window.isHidden });
window.show = (shown) => {
  window.isHidden = !shown;
  document.dispatchEvent(new Event("visibilitychange"));
};
"""


def _on_first_row(page: Page, stream: Filled) -> None:
    page.goto(f"{stream.origin}/items?verdict=accepted")
    page.keyboard.press("j")


def test_a_tab_that_is_not_shown_holds_no_connection(browser: Browser, stream: Filled) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.add_init_script(_HIDDEN)
    page.goto(f"{stream.origin}/items", wait_until="networkidle")
    assert not [one for one in asked if one.endswith("/events")]
    with page.expect_request("**/events"):
        page.evaluate("show(true)")
    expect(page.locator(".state")).to_have_text(_READ)
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/events")):
        page.evaluate("show(false)")
    page.close()


def test_the_stream_is_asked_for_again_after_another_answer(
    browser: Browser, stream: Filled
) -> None:
    page = browser.new_page()
    page.route("**/events", lambda route: route.fulfill(status=503))
    page.goto(f"{stream.origin}/items")
    expect(page.locator(".state")).to_have_text("not live: the page's server does not answer")
    page.unroute("**/events")
    expect(page.locator(".state")).to_have_text(_READ)
    page.close()


def test_who_is_signed_out_is_led_back_to_the_page(browser: Browser) -> None:
    with Store() as store, served(store, token=SecretStr(_TOKEN)) as stream:
        fill(stream.topics, 6)
        context = browser.new_context()
        page = context.new_page()
        page.route("**/events", lambda route: route.fulfill(status=401))
        page.goto(f"{stream.origin}/items?order=best")
        for _ in range(2):
            page.get_by_label("Access token").fill(_TOKEN)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url("**/items?order=best")
            context.clear_cookies()
            page.get_by_role("link", name="sign in again").click()
        context.close()


def test_keys_act_in_their_order(browser: Browser, stream: Filled) -> None:
    page = browser.new_page()
    held: list[Route] = []
    page.route("**/item/accept*", lambda route: held.append(route))
    _on_first_row(page, stream)
    with page.expect_request("**/item/accept*"):
        page.keyboard.press("a")
    page.keyboard.press("d")
    note = page.locator(".row:focus").locator(
        "xpath=ancestor-or-self::*[@data-item]//*[@class='now human']"
    )
    expect(note).to_have_text("… · ")
    assert stream.actions.done == []
    page.route("**/item/drop*", lambda route: held.append(route))
    with page.expect_request("**/item/drop*"):
        held[0].continue_()
    # The row shows that a key is not answered yet.
    expect(page.locator("[data-said]")).to_contain_text("Accepted")
    expect(note).to_have_text("… · ")
    held[1].continue_()
    expect(note).to_have_text("drop · ")
    assert [action for action, *_ in stream.actions.done] == ["accept", "drop"]
    page.close()


def test_another_page_is_opened_when_keys_have_acted(browser: Browser, stream: Filled) -> None:
    page = browser.new_page()
    held: list[Route] = []
    page.route("**/item/accept*", lambda route: held.append(route))
    _on_first_row(page, stream)
    with page.expect_request("**/item/accept*"):
        page.keyboard.press("a")
    for key in ("j", "d", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("[data-said]")).to_contain_text("The page is left")
    held[0].continue_()
    page.wait_for_url("**/item?id=*")
    assert [action for action, *_ in stream.actions.done] == ["accept", "drop"]
    page.close()


def test_a_key_takes_a_rating_back_with_its_decision(browser: Browser, stream: Filled) -> None:
    page = browser.new_page()
    _on_first_row(page, stream)
    said = page.locator("[data-said]")
    page.keyboard.press("2")
    expect(said).to_have_text("Rated.")
    page.keyboard.press("u")
    expect(said).to_contain_text("The rating is taken back")
    assert [action for action, *_ in stream.actions.done] == ["rate", "take-back"]
    page.close()


def test_an_edit_outlives_a_start_of_the_server_while_its_tab_was_not_shown(
    browser: Browser, stream: Filled
) -> None:
    page = browser.new_page()
    page.add_init_script(_HIDDEN)

    def start_again() -> None:
        page.evaluate("show(false)")
        page.evaluate(
            "document.querySelectorAll('[name=form_token]').forEach(one => one.value = 'before')"
        )
        page.evaluate("show(true)")
        expect(page.locator("[name=form_token][value=before]")).to_have_count(0)

    page.goto(f"{stream.origin}/item?id=e5")
    page.evaluate("show(true)")
    page.keyboard.press("e")
    page.get_by_label("Request").fill("Mine?")
    start_again()
    details = stream.topics.store.item("e5")
    assert details is not None
    stream.actions.edit(details, "Grace", instruction="Hers?", context=None, response=None)
    save = page.get_by_role("button", name="Keep it with these texts")
    save.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Not saved")
    # This page is the answer to a form.
    page.evaluate("show(true)")
    start_again()
    save.click()
    expect(page.get_by_role("status")).to_contain_text("Edited")
    assert stream.actions.texts is not None
    assert stream.actions.texts.instruction == "Mine?"
    page.close()


def test_keys_act_after_the_server_was_started_again(browser: Browser, stream: Filled) -> None:
    page = browser.new_page()
    _on_first_row(page, stream)
    page.evaluate("document.querySelector('meta[name=form-token]').content = 'of before'")
    page.keyboard.press("d")
    expect(page.locator("[data-said]")).to_contain_text("Dropped")
    page.route("**/keys", lambda route: route.fulfill(status=500))
    page.evaluate("document.querySelector('meta[name=form-token]').content = 'of before'")
    page.keyboard.press("a")
    expect(page.locator("[data-said]")).to_contain_text("the form is from an earlier start")
    page.close()
