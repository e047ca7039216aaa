"""The page over HTTP: who may ask, what is escaped, and what forms do."""

import http.client
import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import urlencode

import pytest

from agents.reasons import REASONS, in_words
from schemas.records import Rejection
from schemas.release import ReleaseStatus
from streams.kafka.writing.sending_back import LeftOut
from streams.page.store.item_views import DocumentPlace, RefusedPassage
from streams.page.store.store import Store
from streams.page.web.guard import LONGEST_FORM
from streams.settings.page import PageSettings
from tests.unit.streams.page.served import Filled, served
from tests.unit.streams.page.stream import HOSTILE, fill, measure
from tests.unit.streams.page.topics import candidate, document, scored

_TOKEN = "0123456789abcdef"
_PAGES = (
    "/",
    "/items",
    "/items?verdict=refused&stage=curator&order=worst",
    "/item?id=e1",
    "/item?id=hostile",
    "/rate",
    "/rate?id=hostile",
    "/releases",
    "/releases?left=r1&right=r2",
    "/letters",
    "/letters/0@0",
    "/keys",
    "/parts/flow",
    "/parts/state",
    "/parts/reasons",
    "/parts/training",
    "/parts/total?shown=2",
)


@pytest.fixture(scope="module")
def filled() -> Iterator[Filled]:
    with Store() as store, served(store) as page:
        fill(page.topics)
        yield page


@pytest.fixture
def page() -> Iterator[Filled]:
    with Store() as store, served(store) as page:
        fill(page.topics, 5)
        yield page


@pytest.mark.parametrize("path", _PAGES)
def test_pages_are_answered_under_the_policy(filled: Filled, path: str) -> None:
    answer = filled.get(path)
    assert answer.status == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    for inline in ("<style", "style=", "onclick", "javascript:"):
        assert inline not in answer.text


@pytest.mark.parametrize("path", _PAGES)
def test_texts_of_the_topics_are_escaped(filled: Filled, path: str) -> None:
    text = filled.get(path).text
    assert "<script>alert" not in text
    assert "<img" not in text


def test_hostile_texts_are_shown_as_they_are(filled: Filled) -> None:
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in filled.get("/item?id=hostile").text
    assert "{{ 7 * 7 }}" in filled.get("/item?id=hostile").text
    assert "\u202e" in HOSTILE


def test_an_empty_stream_has_pages() -> None:
    with Store() as store, served(store) as page:
        for path in ("/", "/items", "/rate", "/releases", "/letters"):
            assert page.get(path).status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing", 404),
        ("/item?id=none", 404),
        ("/rate?id=none", 404),
        ("/letters/9@9", 404),
        ("/assets/../guard.py", 404),
        ("/items?min_score=x", 400),
        ("/items?verdict=good", 400),
        ("/items?after=!", 400),
        ("/item?id=%00", 404),
        ("/items?text=%22%20OR%20*", 200),
        ("/rate?turn=9999999999999999999&passed=a,b", 200),
    ],
)
def test_wrong_addresses_are_named(filled: Filled, path: str, status: int) -> None:
    assert filled.get(path).status == status


@pytest.mark.parametrize("path", ["/item", "/item?id="])
def test_an_address_without_an_id_is_told_what_it_lacks(filled: Filled, path: str) -> None:
    answer = filled.get(path)
    assert answer.status == 404
    assert "no item is named: the address ends with ?id= and the id of an item" in answer.text


def test_other_host_names_are_refused(filled: Filled) -> None:
    assert filled.get("/", Host="evil.example").status == 400
    port = filled.server.address.port
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        assert filled.get("/", Host=host).status == 200


def test_forms_of_other_sites_are_refused(page: Filled) -> None:
    for origin in ("http://evil.example", "null", ""):
        answer = page.post("/item/drop?id=e1", {"Origin": origin})
        assert answer.status == 403
    assert page.post("/item/drop?id=e1", form_token="wrong").status == 403
    page.get("/")
    other = {"Cookie": "backstream_1=x"}
    assert page.post("/item/drop?id=e1", other).status == 403
    assert page.actions.done == []


def test_a_get_changes_nothing(page: Filled) -> None:
    assert page.get("/item/drop?id=e1").status == 405
    assert page.get("/letters/replay").status == 404
    assert page.actions.done == []


def test_a_form_that_is_too_long_is_refused(page: Filled) -> None:
    page.get("/")
    connection = http.client.HTTPConnection(*page.server.address, timeout=10)
    headers = {"Origin": page.origin, "Content-Length": str(LONGEST_FORM + 9)}
    connection.request("POST", "/item/drop?id=e1", b"a" * (LONGEST_FORM + 9), headers)
    assert connection.getresponse().status == 413
    connection.close()


def test_outside_of_loopback_a_token_is_needed() -> None:
    with pytest.raises(Exception, match=r"set page\.token"):
        _ = PageSettings(listen="0.0.0.0:0").address
    with pytest.raises(ValueError, match="16 ASCII characters"):
        PageSettings(listen=":0", token="short")  # type: ignore[arg-type]


def test_a_token_admits() -> None:
    with Store() as store, served(store, token=_TOKEN) as page:
        fill(page.topics, 5)
        assert page.get("/").headers["location"] == "/login"
        led_back = "/login?back=%2Fitems%3Forder%3Dbest%26text%3D%2522"
        assert page.get("/items?order=best&text=%22").headers["location"] == led_back
        assert (
            '<input type="hidden" name="back" value="/items?order=best' in page.get(led_back).text
        )
        assert page.get("/parts/state").headers["location"] == "/login"
        assert page.get("/events").status == 401
        assert page.get("/assets/page.css").status == 200
        assert page.post("/item/drop?id=e1").status == 401
        assert page.get("/items", Authorization="Bearer wrong").status == 303
        assert page.get("/items", Authorization=f"Bearer {_TOKEN}").status == 200
        guest = dict(page.cookies)
        assert page.post("/login", token="wrong").status == 403
        assert page.post("/login", token=_TOKEN).status == 303
        assert page.cookies != guest
        assert page.get("/").status == 200
        for wanted, address in (("/items?order=best", "/items?order=best"), ("//evil", "/")):
            assert page.post("/login", token=_TOKEN, back=wanted).headers["location"] == address
        assert page.post("/item/drop?id=e1").status == 303


def test_decisions_have_the_name_of_who_decides(page: Filled) -> None:
    assert page.post("/item/rate?id=e1", score="4").headers["location"] == "/item?id=e1&done=rated"
    assert page.post("/name", name="Grace Hopper\n").status == 303
    page.post("/item/drop?id=e4", back="/rate?turn=2")
    page.post("/item/undo?id=e4")
    page.post("/item/accept?id=e3")
    assert page.actions.done == [
        ("rate", "e1", 4, "ada"),
        ("drop", "e4", "Grace Hopper"),
        ("undo", "e4", "Grace Hopper"),
        ("accept", "e3", "Grace Hopper"),
    ]
    assert "Accept by <bdi>Grace Hopper</bdi>" in page.get("/item?id=e3").text


def test_where_nobody_decided_there_is_nothing_to_take_back(page: Filled) -> None:
    for action in ("undo", "take-back"):
        answer = page.post(f"/item/{action}?id=e4")
        assert "nothing to take back" in page.get(answer.headers["location"]).text
        told = page.post(f"/item/{action}?id=e4", {"Accept": "application/json"}).text
        assert "nothing to take back" in told
        assert '"changed":false' in told
    page.post("/item/drop?id=e4")
    assert page.post("/item/undo?id=e4").headers["location"].endswith("done=undone")
    assert page.post("/item/undo?id=e4").headers["location"].endswith("done=nothing")


def test_forms_lead_back_to_this_page_alone(page: Filled) -> None:
    for back in ("//evil.example", "https://evil.example", "/\\evil.example", "x"):
        answer = page.post("/item/rate?id=e1", score="3", back=back)
        assert answer.headers["location"] == "/item?id=e1&done=rated"
    answer = page.post("/item/rate?id=e1", score="3", back="/items?order=worst")
    assert answer.headers["location"] == "/items?order=worst&done=rated"


def test_scripts_get_json(page: Filled) -> None:
    accept = {"Accept": "application/json"}
    assert page.post("/item/rate?id=e1", accept, score="9").text == (
        """{"error":"the rating is '9', and can be 1 to 5"}"""
    )
    assert (
        page.post("/item/rate?id=e1", accept, score="5").text == '{"done":"Rated.","changed":true}'
    )


def test_releases_are_deployed_and_taken_back(page: Filled) -> None:
    assert page.post("/releases/rollback", id="r2").status == 400
    back = page.post("/releases/rollback", id="r1").headers["location"]
    assert "The release is taken back" in page.get(back).text
    deployed = page.post("/releases/r2/promote").headers["location"]
    assert "The release is deployed" in page.get(deployed).text
    assert page.actions.done == [("rollback", "base"), ("promote", "r2")]


def test_a_release_is_deployed_was_deployed_before_or_is_kept_back(page: Filled) -> None:
    def states() -> list[str]:
        text = page.get("/releases").text
        return re.findall(
            r"(deployed before|kept back|model of the settings|deployed)(?:</span>)?</td>", text
        )

    assert states() == ["kept back", "deployed"]
    [kept] = [one.release for one in page.topics.store.releases() if one.id == "r2"]
    assert kept is not None
    page.topics.write(kept.model_copy(update={"status": ReleaseStatus.IN_SERVICE}))
    assert states() == ["deployed", "deployed before"]


def test_one_release_is_not_shown_beside_itself() -> None:
    with Store() as store, served(store) as page:
        page.topics.write(scored())
        text = page.get("/releases").text
        assert text.count("<section") == 1
        assert "Compare" not in text
        assert "1 rating," in text
        assert "<strong>1</strong> item\n" in page.get("/items").text


def test_dead_letters_are_sent_back(page: Filled) -> None:
    page.actions.left_out = (LeftOut("0@7", "its value was cut"),)
    for path, form in (("/letters/0@0/replay", {}), ("/letters/replay", {"stage": "backward"})):
        answer = page.post(path, None, **form)
        assert answer.status == 303
        # Loading the answer again sends nothing again, and says the same.
        for _ in range(2):
            text = page.get(answer.headers["location"]).text
            assert "1 sent back. 1 left out:" in text
            assert "<code>0@7</code> <bdi>its value was cut</bdi>" in text
    assert "of <bdi>backward</bdi>" in text
    assert "sent back." not in page.get("/letters?outcome=unknown").text
    assert page.actions.done == [("replay", "0@0"), ("replay", "all", "backward")]


def test_changes_are_told(page: Filled) -> None:
    connection = http.client.HTTPConnection(*page.server.address, timeout=10)
    connection.request("GET", "/events")
    response = connection.getresponse()
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.readline() == b"event: change\n"
    first = response.readline()
    response.readline()
    page.actions.take_back("e1", "ada")
    assert response.readline() == b"event: change\n"
    assert response.readline() != first
    connection.close()


def test_a_pair_to_rate_does_not_show_the_models_rating(filled: Filled) -> None:
    text = filled.get("/rate?id=e11").text
    assert "4.80" not in text
    assert "Rate 5 of 5" in text


def test_from_the_page_of_an_item_a_way_leads_back_to_the_pair_to_rate(filled: Filled) -> None:
    text = filled.get("/rate?turn=3&passed=abc").text
    opened = addresses_in(text, "/item?")[0]
    there = filled.get(opened).text
    [way] = re.findall('<a href="([^"]+)" data-key="b">← Rate', there)
    back = filled.get(unescape(way)).text
    assert addresses_in(back, "/item?")[0] == opened


def test_a_refusal_before_a_pair_was_accepted_is_past(page: Filled) -> None:
    dropped = candidate("e4").refuse("curator", "dropped", "by root")
    page.topics.write(dropped)
    text = page.get("/item?id=e4").text
    assert "was refused before by <bdi>curator</bdi>" in text
    assert "This does not count any more: the item is accepted." in text
    assert '<p class="why">' not in text
    refused = page.get("/item?id=e0").text
    assert '<p class="why">' in refused
    assert "any more" not in refused


def test_cookies_of_other_servers_on_the_machine_do_no_harm(page: Filled) -> None:
    page.get("/keys")
    page.cookies = {"theirs": '{"theme": "dark"}', **page.cookies}
    assert page.post("/item/drop?id=e1").status == 303


def test_an_origin_that_is_no_address_is_refused(page: Filled) -> None:
    assert page.post("/item/drop?id=e1", {"Origin": "http://[::1"}).status == 403
    assert not page.actions.done


@pytest.mark.parametrize("control", ["%09", "%0a", "%0d"])
def test_the_way_back_leads_to_no_other_site(page: Filled, control: str) -> None:
    text = page.get(f"/item?id=e1&back=/{control}/evil.example").text
    assert 'href="/items" data-key="b"' in text


def test_numbers_and_cursors_that_no_page_had_are_no_fault_of_the_page(page: Filled) -> None:
    assert page.get("/rate?turn=" + "9" * 5000).status == 200
    assert page.get("/items?after=AAAA").status == 400


_FOREIGN_IDS = (
    "a/b",
    "..",
    ".",
    "../../keys",
    "100%25",
    "a?b#c&d=e",
    "a+b,c;d",
    " blank ",
    "two\r\nlines",
    "\x00",
    "quo\"te's<b>",
    "\u202eé\U0001f600",
    "𐍈" * 256,
)


@pytest.mark.parametrize("id", _FOREIGN_IDS)
def test_every_id_has_an_address_and_can_be_decided_about(page: Filled, id: str) -> None:
    page.topics.write(scored(id))
    listed = addresses_in(page.get("/items?order=newest").text, "/item?")[0]
    shown = page.get(listed)
    assert shown.status == 200
    drop = addresses_in(shown.text, "/item/drop?")[0]
    answer = page.post(drop)
    assert page.get(answer.headers["location"]).status == 200
    assert page.actions.done == [("drop", id, "ada")]
    rated = page.get("/rate?" + urlencode({"id": id}))
    assert page.post(addresses_in(rated.text, "/item/undo?")[0]).status == 303


def test_the_next_pair_to_rate_comes_whatever_ids_there_are() -> None:
    with Store() as store, served(store) as page:
        ids = [f"{number},/?𐍈" + "𐍈" * 240 for number in range(30)]
        page.topics.write(*(scored(id) for id in ids))
        seen: set[str] = set()
        address = "/rate"
        for _ in range(21):
            text = page.get(address).text
            seen.add(addresses_in(text, "/item?")[0])
            [address] = set(addresses_in(text, "/rate?turn=")[:1])
        assert len(seen) == 21


def test_what_the_segmenter_refused_is_shown_with_its_place() -> None:
    asked: list[str] = []

    def refused_of(place: DocumentPlace) -> tuple[RefusedPassage, ...]:
        asked.append(place.id)
        texts = ("Too short.", "Tiny.")
        return tuple(
            RefusedPassage("short", at, ("Guide", HOSTILE), text, "too_short")
            for at, text in enumerate(texts)
        )

    with Store() as store, served(store, refused_of) as page:
        page.topics.write(document())
        for id in ("short", "other", "d1"):
            refused = Rejection(id=id, stage="segmenter", reason="too_short", document_id="d1")
            page.topics.write(refused)
        listed = page.get("/items?verdict=refused&stage=segmenter&reason=too_short").text
        assert len(addresses_in(listed, "/item?")) == 3
        shown = page.get("/item?id=short").text
        assert asked == []
        [address] = addresses_in(shown, "/item/passages?")
        assert f'data-load="{address.replace("/item/", "/parts/")}"' in shown
        for path in (address, address.replace("/item/", "/parts/")):
            text = page.get(path).text
            assert "Too short." in text
            assert "passage 2 of the document" in text
            assert "&lt;script&gt;" in text
            assert "<script>alert" not in text
        assert "segments.*" in page.get("/parts/passages?id=other").text
        # The whole document was refused: there is nothing to cut.
        assert addresses_in(page.get("/item?id=d1").text, "/item/passages?") == []
        assert page.get("/parts/passages?id=none").status == 404


def test_a_row_without_a_request_says_what_it_is(page: Filled) -> None:
    def refuse(id: str, reason: str, at: str = "segmenter") -> Rejection:
        return Rejection(id=id, stage=at, reason=reason, document_id="d1", segment_id=id)

    page.topics.write(
        refuse("p1", "leans"), refuse("p2", "mine.odd"), refuse("s2", "language", "b")
    )
    unread = unescape(page.get("/items?verdict=refused").text)
    assert "(no request)" not in unread
    assert '<span class="ask" dir="auto">After.</span>' in unread
    for sentence in (in_words("leans"), in_words("language"), "Refused: mine.odd."):
        assert f'<span class="reply says">{sentence}</span>' in unread
    found = RefusedPassage("p1", 0, (), "And so it <b>boils</b>.", "leans", "en")
    page.topics.store.write_refused("d1", [found])
    text = page.get("/items?reason=leans&text=boils").text
    assert '<span class="ask" dir="auto">And so it &lt;b&gt;boils&lt;/b&gt;.</span>' in text
    assert "leans: It cannot be understood alone:" in text
    assert "Not searched" not in text  # the other conditions leave the others out
    assert "Not searched: 1 passage that" in page.get("/items?text=boils").text


def test_figures_have_their_unit_and_reasons_as_many_items_as_their_links_lead_to(
    page: Filled,
) -> None:
    for id, count in (("s1", 1), ("d1", 24), ("d1", 25)):
        page.topics.write(Rejection(id=id, stage="segmenter", reason="too_short", count=count))
    flow = page.get("/parts/flow").text
    assert ">50 refusals</text>" in flow, "every message counts"
    assert ">100 messages</text>" in flow
    found = re.search(
        r'href="([^"]+reason=too_short)".*?<td class="figure">(\d+)<br><span class="quiet">'
        r"(\d+) passages<",
        page.get("/parts/reasons").text,
        re.DOTALL,
    )
    assert found is not None
    assert found.groups()[1:] == ("2", "26")
    assert "<strong>2</strong> items" in page.get(unescape(found[1])).text


def test_every_reason_is_explained_where_it_is_shown() -> None:
    with Store() as store, served(store) as page:
        page.topics.write(
            *(
                Rejection(id=reason, stage="segmenter", reason=reason, document_id="d")
                for reason in REASONS
            )
        )
        counted = unescape(page.get("/parts/reasons").text)
        shown = re.findall("reason=([a-z_]+)", counted)
        assert shown
        assert all(in_words(reason, "segmenter") in counted for reason in shown)
        for reason, sentence in REASONS.items():
            for path in (f"/items?reason={reason}", f"/item?id={reason}"):
                assert sentence in unescape(page.get(path).text), path


def test_blanks_of_a_value_that_is_chosen_are_kept(page: Filled) -> None:
    page.topics.write(Rejection(id="x", stage="segmenter", reason="r", document_id=" d "))
    found = page.get("/items?" + urlencode({"document_id": " d "})).text
    assert len(addresses_in(found, "/item?")) == 1


def addresses_in(html: str, beginning: str) -> list[str]:
    """The addresses of links and forms that begin so, as a browser reads them."""
    found = map(unescape, re.findall(r'(?:href|action)="([^"]*)"', html))
    return [one for one in found if one.startswith(beginning)]


def test_stages_are_at_work_only_where_nothing_is_in_the_way(page: Filled) -> None:
    assert "Stages are at work." in page.get("/").text
    measure(page.topics.store, ("no worker runs: start `backstream up`",))
    text = page.get("/").text
    assert "In the way: no worker runs: start `backstream up`" in text
    assert "at work" not in text
