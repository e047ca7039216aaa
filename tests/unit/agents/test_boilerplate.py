"""HTML: what surrounds the text is left out; lists, tables, terms and code keep their form."""

import pytest

from agents.passages.html import read_html
from agents.passages.sections import Continued, Section
from tests.unit.agents.test_segmenter import prose

CONTENT = f"<div class=content><h1>A</h1><p>{prose(700)}</p><p>{prose(700, 1)}</p></div>"
LINKS = (
    "<ul>" + "".join(f"<li><a href=/{i}>A page on topic {i}</a></li>" for i in range(9)) + "</ul>"
)
NOTICE = f"<p>{prose(300, 2)}</p>"


def blocks(html: str) -> list[str]:
    return [block for section in read_html(html) for block in section.blocks]


class TestLeftOut:
    @pytest.mark.parametrize(
        "tag",
        [
            "div role=navigation",
            "div role='complementary'",
            "div class='site-footer'",
            "div class=footer",
            "div id=footer",
            "div id='left-sidebar'",
            "div class='widget sidebar-widget'",
            "ul class=breadcrumbs",
            "section class='related-posts'",
            "div class='cookie-consent-banner'",
            "div class='shareButtons'",
            "div id=comments",
            "div class=copyright",
            "div hidden",
            "div hidden=''",
            "div style='color: red; display: none'",
            "div style='visibility:hidden'",
            "div aria-hidden=true",
            "div class='note hidden'",
            "span class=sr-only",
            "dialog",
            "div class=footnotes",
            "address class=footer",
            "div role=doc-endnotes",
            "section epub:type='backmatter rearnotes'",
            "div epub:type=page-list",
            "div class='tagline desktoponly'",
            "div class=nosearch",
            "div id=jp-relatedposts",
            "article class='comment-body'",
        ],
    )
    def test_by_role_class_or_style(self, tag: str) -> None:
        name = tag.split()[0]
        for content in (NOTICE, LINKS + NOTICE, f"<div>{NOTICE}</div>"):
            html = f"{CONTENT}<{tag}>{content}</{name}>"
            assert blocks(html) == blocks(CONTENT)
            assert blocks(f"<{tag}>{content}</{name}>{CONTENT}") == blocks(CONTENT)

    @pytest.mark.parametrize(
        "tag",
        [
            "div class=main",
            "div class='has-sidebar'",
            "div class='footer-example'",
            "section id=footer",
            "div class=section id=menu",
            "div hidden=false",
            "div aria-hidden=false",
            "div class='hidden md:block'",
            "aside class='note'",
        ],
    )
    def test_what_is_content(self, tag: str) -> None:
        name = tag.split()[0]
        assert blocks(f"{CONTENT}<{tag}>{NOTICE}</{name}>") == [*blocks(CONTENT), prose(300, 2)]

    @pytest.mark.parametrize(
        "tag",
        ["main", "article", "div role=main", "div itemprop=articleBody", "div class=entry-content"],
    )
    def test_the_centre_of_a_page(self, tag: str) -> None:
        name = tag.split()[0]
        around = f"<div class=box><h2>News</h2>{NOTICE}</div>"
        title = "<h1>A lock</h1>"
        html = f"{around}{title}<p>By us</p><{tag}><p>{prose(1500)}</p></{name}>{around}"
        [section] = read_html(html)
        assert section == Section(("A lock",), [prose(1500)])

    def test_a_centre_with_too_little_of_the_page_is_none(self) -> None:
        html = f"<main><p>{prose(700)}</p></main><div><p>{prose(700, 1)}</p></div>"
        assert blocks(html) == [prose(700), prose(700, 1)]

    def test_articles_beside_each_other_are_all_content(self) -> None:
        html = f"<article><p>{prose(1800)}</p></article><article><p>{prose(700, 1)}</p></article>"
        assert blocks(html) == [prose(1800), prose(700, 1)]

    def test_a_wrapper_with_most_of_the_page_is_content_whatever_its_class(self) -> None:
        html = f"<div class=sidebar>{CONTENT}<div class=footer>{NOTICE}</div></div>"
        assert blocks(html) == blocks(CONTENT)

    def test_a_footer_that_is_longer_than_a_short_page(self) -> None:
        html = f"<p>{prose(150)}</p><div class=footer><p>{prose(400, 1)}</p></div>"
        assert blocks(html) == [prose(150)]

    @pytest.mark.parametrize("links", [LINKS, LINKS.replace("ul", "ol"), "<p><a href=x>Home</a>"])
    def test_lists_and_paragraphs_of_links(self, links: str) -> None:
        assert blocks(CONTENT + links) == blocks(CONTENT)
        assert blocks(
            f"{CONTENT}<p>On this site:</p>{links if 'li' in links else LINKS}"
        ) == blocks(CONTENT)

    def test_a_paragraph_with_some_links_is_content(self) -> None:
        text = "<p>See the <a href=x>gate</a> and the <a href=y>sluice</a> of the lock.</p>"
        assert blocks(text) == ["See the gate and the sluice of the lock."]

    @pytest.mark.parametrize(
        "text",
        [
            "<p>Source code: <a href=x>gates.py</a></p>",
            "<p>See also the <a href=x>Gates</a>, <a href=y>Locks</a>, and <a href=z>Canals</a>.",
            "<div><p>See also</p><p><a href=x>Gates</a></p></div>",
        ],
    )
    def test_what_only_points_to_another_page(self, text: str) -> None:
        assert blocks(CONTENT + text) == blocks(CONTENT)

    def test_a_label_of_links_does_not_label_what_follows_them(self) -> None:
        html = f"<p>Note</p><p><a href=x>Gates</a></p><p>{prose(300)}</p>"
        assert blocks(html) == [prose(300)]

    def test_an_item_that_leads_to_links_is_left_out_with_them(self) -> None:
        links = "<ul><li><a href=x>Gates of locks</a></li></ul>"
        html = f"<ul><li>Locks are old.</li><li>More on them:{links}</li></ul>"
        assert blocks(html) == ["- Locks are old."]

    def test_a_linked_item_that_leads_on_is_kept(self) -> None:
        html = "<ul><li><a href=x>Gates</a>:<ul><li>Close them.</li></ul></li></ul>"
        assert blocks(html) == ["- Gates:\n  - Close them."]

    def test_a_heading_that_links_back_to_the_contents_is_kept(self) -> None:
        html = f"<h2><a role=doc-backlink href=#id1>Why?</a><a class=headerlink>¶</a></h2>{NOTICE}"
        assert [section.headings for section in read_html(html)] == [("Why?",)]

    def test_an_anchor_without_a_target_is_no_link(self) -> None:
        assert blocks(f"<a name=top><p>{prose(300)}</p><p>{prose(300, 1)}</p>") == [
            prose(300),
            prose(300, 1),
        ]

    def test_a_link_that_is_never_closed_does_not_take_the_page_with_it(self) -> None:
        found = blocks("<p><a href=x>Open" + "".join(f"<p>{prose(400, i)}</p>" for i in range(5)))
        assert found[-3:] == [prose(400, i) for i in (2, 3, 4)]

    @pytest.mark.parametrize("size", [1, 100])
    def test_a_form_is_measured_without_scripts_and_styles(self, size: int) -> None:
        scripts = "<script>var a = '<p>no</p>';</script><style>p {}</style>" * size
        page = f"{scripts}<form id=aspnetForm><input type=hidden value={'x' * 999}>{CONTENT}</form>"
        assert blocks(page) == blocks(CONTENT)
        assert blocks(f"{CONTENT}<form>Your name: <input> {NOTICE}</form>") == blocks(CONTENT)

    def test_a_form_beside_an_aside_that_is_as_long(self) -> None:
        assert blocks(f"<form><p>{prose(300)}</p></form><aside>{prose(320, 1)}</aside>") == [
            prose(300)
        ]

    def test_links_to_notes_and_soft_hyphens(self) -> None:
        html = (
            "<p>A lock<sup><a href='#n1'>1</a></sup> in a ca&shy;nal<a href=#fn:2>[2]</a> has a"
            "&nbsp;gate.<a class=headerlink href=#x>Link</a></p>"
        )
        assert blocks(html) == ["A lock in a canal has a gate."]

    @pytest.mark.parametrize(
        "code",
        [
            "<table class=highlighttable><tr><td class=linenos><pre>1\n2</pre></td>"
            "<td class=code><pre>a()\n\nb()</pre></td></tr></table>",
            "<table><tr><td><pre>1\n2\n3</pre></td><td><pre>a()\n\nb()</pre></td></tr></table>",
            "<pre><span class=lineno>1</span>a()\n<span class=lineno>2</span>\n"
            "<span class=lineno>3</span>b()</pre>",
            "<div class=rouge-gutter>1\n2</div><pre class='line-numbers'>a()\n\nb()</pre>",
        ],
    )
    def test_numbers_of_lines(self, code: str) -> None:
        assert blocks(f"{CONTENT}{code}") == [*blocks(CONTENT), "a()\n\nb()"]

    def test_an_element_that_is_never_closed_is_content(self) -> None:
        for tag in ("nav", "div hidden", "div class=footer", "aside", "form"):
            assert blocks(f"<body><{tag}>{CONTENT}</body>") == blocks(CONTENT)


class TestForm:
    def test_nested_and_numbered_lists_are_one_block(self) -> None:
        html = (
            "<ol start=3><li>three<ul><li>a</li><li>b</li></ul></li><li><p>four</p></li></ol>"
            "<p>after</p>"
        )
        assert blocks(html) == ["3. three\n  - a\n  - b\n4. four", "after"]

    def test_later_paragraphs_of_an_item_continue_it(self) -> None:
        found = blocks("<ul><li><p>a</p><p>b</p></li><li>c</li></ul><p>d</p>")
        assert found == ["- a", "b", "- c", "d"]
        assert [isinstance(block, Continued) for block in found] == [False, True, False, False]

    def test_a_term_is_in_the_block_of_its_definition(self) -> None:
        html = (
            "<dl><dt><a href=#q>Why?</a></dt><dd><p>Because.</p><p>And so on.</p></dd>"
            "<dt>-v</dt><dt>--verbose</dt><dd>\n More words.</dd></dl>"
        )
        found = blocks(html)
        assert found == ["Why?\nBecause.", "And so on.", "-v\n--verbose\nMore words."]
        assert isinstance(found[1], Continued)
        assert found[1].term == "Why?"

    def test_a_table_in_a_table_with_heads_is_text_of_its_cell(self) -> None:
        inner = "<table><tr><td>3<td>4<tr><td>5<td>6</table>"
        rows = f"<tr><th>a<th>b<tr><td>1<td>2<tr><td>low<td>{inner}<tr><td>7<td>8"
        assert blocks(f"<table>{rows}</table>") == ["a | b\n1 | 2\nlow | 3 4 5 6\n7 | 8"]
        heading = inner.replace("<td>5", "<td><h2>five</h2>")
        assert "low" in blocks(f"<table>{rows.replace(inner, heading)}</table>")

    def test_a_definition_after_a_list_is_a_block(self) -> None:
        html = "<dl><dt>T<dd><p>one</p><ul><li>item</ul><dd>other</dl>"
        found = blocks(html)
        assert found == ["T\none", "- item", "other"]
        assert isinstance(found[2], Continued)
        assert found[2].term == "T"

    def test_two_line_breaks_end_a_paragraph(self) -> None:
        assert blocks("a<br>b<br><br>c<br> <br />d") == ["a\nb", "c", "d"]

    def test_a_row_is_a_line_whatever_its_cells_hold(self) -> None:
        html = (
            "<table><caption>Parts</caption><tr><th colspan=2>Lock<br>of 1700</th></tr>"
            "<tr><td><p>Kind:</p></td><td><p>Guil<wbr>lotine</p></td></tr>"
            "<tr><td></td><td></td></tr><tr><td>a</td><td><ul><li>b</li></ul></td></table>"
        )
        assert blocks(html) == ["Parts", "Lock of 1700\nKind: | Guillotine\na | - b"]

    @pytest.mark.parametrize(
        ("table", "found"),
        [
            ("<tr><td></td><td>Note</td></tr>", []),
            ("<tr><td>Note</td><td><p>Mind.</p><p>Twice.</p></td></tr>", ["Note: Mind.", "Twice."]),
            ("<tr><td><p>One.</p></td></tr><tr><td>Two.</td></tr>", ["One.", "Two."]),
            (f"<tr><td>a<td>{prose(700)}<tr><td>b<td>c", ["a", prose(700), "b", "c"]),
            ("<tr><td>a<td><table><tr><td>b<td>c<tr><td>d<td>e</table>", ["a", "b | c\nd | e"]),
            ("<tr><td><h2>H</h2>a<td>b<tr><td>c<td>d", ["a", "b", "c", "d"]),
        ],
    )
    def test_a_table_that_only_lays_out_is_blocks(self, table: str, found: list[str]) -> None:
        assert blocks(f"<table>{table}</table>") == found

    def test_code_keeps_its_blank_lines_and_its_links(self) -> None:
        html = "<p>Call:</p><pre><a href=x>open</a>(\n\n  <a href=y>gate</a>)</pre>"
        assert blocks(html) == ["Call:", "open(\n\n  gate)"]

    def test_the_annotation_of_a_formula_is_not_shown(self) -> None:
        formula = (
            "<math><semantics><mi>v</mi><mo>=</mo><mn>3</mn>"
            "<annotation encoding='application/x-tex'>v = 3</annotation>"
            "<annotation-xml encoding='MathML-Content'><eq/><ci>v</ci></annotation-xml>"
            "</semantics></math><span aria-hidden=true>v=3</span>"
        )
        page = f"<p>It is {formula}. Then ({formula}), and {formula} <b>{formula}</b>again.</p>"
        assert blocks(page) == ["It is v=3. Then (v=3), and v=3 v=3 again."]

    @pytest.mark.parametrize(
        "image",
        [
            "<img class=latex alt='a &lt; b'>",
            "<img class='mwe-math-fallback-image-inline mw-invert' aria-hidden=true "
            "alt='{\\displaystyle a&lt;b}'/>",
            "<img alt='$a &lt; b$' class=formulaInl>",
            "<span style='display: none'><math><mi>a</mi></math></span><img class=math alt='a<b'>",
        ],
    )
    def test_the_image_of_a_formula_is_its_text(self, image: str) -> None:
        (block,) = blocks(f"<p>It holds that {image}, as <img class=photo alt='A lock'> shows.</p>")
        assert block.replace(" < ", "<") == "It holds that a<b, as shows."

    @pytest.mark.parametrize(
        "remark",
        [
            "<sup class='noprint Inline-Template'>[<i><a href=x>citation needed</a></i>]</sup>",
            "<a href=s><span class=viewcode-link>[source]</span></a>",
            "<a href=#x class=footnoteBackLink>\u23ce</a>",
        ],
    )
    def test_remarks_and_links_to_the_source_are_left_out(self, remark: str) -> None:
        assert blocks(f"<p>The gate was shut{remark}. Then it opened.</p>") == [
            "The gate was shut. Then it opened."
        ]
        assert blocks("<details><summary class='hideme'>Expand</summary>It is.</details>") == [
            "It is."
        ]

    def test_what_is_left_out_of_a_line_joins_no_words_and_parts_no_signs(self) -> None:
        out = "<button>Copy</button>"
        page = (
            f"<p>One{out}two{out}<b>{out}: three</b>{out}.</p><pre>a{out}b</pre>{out}<pre>c</pre>"
        )
        assert blocks(page) == ["One two: three.", "ab", "c"]
        assert blocks(f"<ul><li>{out}One<li>two{out}</ul>") == ["- One\n- two"]

    def test_ruby_is_its_base(self) -> None:
        assert blocks("<p><ruby>閘<rp>(</rp><rt>こう</rt><rp>)</rp></ruby>門。</p>") == ["閘 門。"]

    @pytest.mark.parametrize(
        "html",
        [
            "<table><tr><td><div>a</tr></table></div><p>b",
            "<div class=footer><table><tr><td></div></div>a</table></div><p>b",
            "</table></td></tr></li></dl><p>b",
            "<table><tr><td><table></td></tr></tbody></table></table><p>b",
            "<b><div></b></div></i><p>b",
            "<ul><li><ol></ul></li></ol><p>b",
        ],
    )
    def test_end_tags_out_of_place(self, html: str) -> None:
        assert blocks(html)[-1] == "b"


def table(*rows: str) -> list[str]:
    (found,) = blocks("<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>")
    return found.split("\n")


class TestSpans:
    def test_each_cell_is_below_its_head(self) -> None:
        assert table(
            "<th rowspan=2>Year<th>Lock<th COLSPAN='2'>Size",
            "<th>Name<th>Height<th>Width",
            "<td rowspan='2'>1831<td>Upper<td>3<td>5",
            "<td>Lower<td rowspan=0>4<td>6",
            "<td colspan=2>Sum<td>11",
            "<td colspan=4>All is measured.",
        ) == [
            "Year | Lock | Size",
            "Year | Name | Height | Width",
            "1831 | Upper | 3 | 5",
            "1831 | Lower | 4 | 6",
            "Sum |  | 4 | 11",
            "All is measured.",
        ]

    def test_a_cell_at_the_end_is_repeated_and_a_long_one_is_not(self) -> None:
        rows = (f"<td>Lock A<td>3<td rowspan=2>{'oak ' * 30}", "<td>Lock B<td>4", "<td>Lock C<td>5")
        assert table(*rows)[1:] == ["Lock B | 4 | ", "Lock C | 5"]
        rows = ("<td>Lock A<td>3<td rowspan=2>oak", "<td>Lock B<td>4", "<td><td>")
        assert table(*rows) == ["Lock A | 3 | oak", "Lock B | 4 | oak"]

    @pytest.mark.parametrize("size", [200, 2000])
    def test_what_is_repeated_is_bounded(self, size: int) -> None:
        cell = "<td rowspan=65534 colspan=1000>" + "deep " * 15
        rows = (cell * size, *["<td>a<td>b"] * size)
        html = "".join(rows)
        assert sum(map(len, table(*rows))) < 5 * len(html)


class TestNames:
    """A heading, a term or a head cell that is inside of what is left out elsewhere."""

    @pytest.mark.parametrize(
        "heading",
        [
            "<h2>Locks</h2>",
            "<h2><a class=permalink href=#l>Locks</a></h2>",
            "<h2><a class=header-anchor href=#l><span>Locks</span></a></h2>",
            "<h2><a class=headerlink href=#l>Locks</a> <a class=anchorjs href=#l>#</a></h2>",
            "<h2>Locks<a class=hash-link href=#l>\u200b</a></h2>",
            "<h2>Locks <button>Copy link</button></h2>",
            "<h2><button aria-expanded=true><span>Locks</span><svg/></button></h2>",
            "<button class=toggle><h2>Locks</h2></button>",
        ],
    )
    def test_heading(self, heading: str) -> None:
        (section,) = read_html(f"<h1>A</h1>{heading}{NOTICE}")
        assert section.headings == ("A", "Locks")

    def test_buttons_with_several_headings_are_a_menu(self) -> None:
        (section,) = read_html(f"<h1>A</h1><button><h2>B</h2><h2>C</h2></button>{NOTICE}")
        assert section.headings == ("A",)

    @pytest.mark.parametrize("term", ["<a class=permalink href=#f>--fast</a>", "--fast"])
    @pytest.mark.parametrize(
        "more", ["", "<a class=headerlink href=#f>¶</a>", "<button>i</button>"]
    )
    def test_term(self, term: str, more: str) -> None:
        html = f"<dl><dt>{term}{more}</dt><dd>Goes at once.</dd></dl>"
        assert blocks(html) == ["--fast\nGoes at once."]

    def test_head_cell(self) -> None:
        cells = (
            "<tr><th><button>Lock</button></th><th>Year</th></tr><tr><td>A</td><td>1831</td></tr>"
        )
        assert blocks(f"<table>{cells}</table>") == ["Lock | Year\nA | 1831"]


NUMBER = "<td class='blob-num'>7</td>"


@pytest.mark.parametrize(
    "code",
    [
        "<pre><div>if gate:</div><div><br></div><div>    shut()</div></pre>",
        "<pre><code><p>if gate:</p>\n<p>    shut()\n</p></code></pre>",
        "<pre><ol><li>if gate:</li><li></li><li>    shut()</li></ol></pre>",
        "<pre><table><tr><td class=lineno><div></div></td><td>if gate:</td></tr>"
        "<tr><td></td></tr><tr><td>    shut()</td></tr></table></pre>",
        "<div class=fragment><div class=line><span class=lineno>7</span>if gate:</div>\n"
        "<div class=line> </div>\n<div class=line>    shut()</div>\n</div>",
        f"<table class='highlight js-file-line-container'>\n<tr>\n{NUMBER}\n<td>if gate:</td>\n"
        f"</tr>\n<tr>{NUMBER}<td>\n</td></tr><tr>{NUMBER}<td>    shut()</td></tr>\n</table>",
        "<table class=code><thead><tr><th class=lineno>Line</th><th>&nbsp;</th></tr></thead>"
        "<tr><th><a href=#1>1</a></th><td>if gate:</td></tr><tr><th></th><td></td></tr>"
        "<tr><th><a href=#3>3</a></th><td>&nbsp; &nbsp; shut()</td></tr></table>",
        "<div class=syntaxhighlighter><table><tr><td class=gutter><div>1</div><div>2</div></td>"
        "<td class=code><div class=container><div class=line><code>if gate:</code></div>"
        "<div class=line>&nbsp;</div><div class=line>&nbsp;&nbsp;&nbsp;&nbsp;shut()</div>"
        "</div></td></tr></table></div>",
        "<table><tr><td class=crayon-nums><div>1</div></td><td><div class=crayon-pre>"
        "<div>if gate:</div><div></div><div>    shut()</div></div></td></tr></table>",
    ],
)
def test_elements_that_are_lines_of_code(code: str) -> None:
    above, found, below = blocks(f"<p>Call it above.</p>{code}And below.")
    assert (above, below) == ("Call it above.", "And below.")
    lines = found.split("\n")
    assert lines[0] == "if gate:"
    assert [one.strip() for one in lines[1:-1]] == [""]
    assert lines[-1] == "    shut()"


@pytest.mark.parametrize(
    "html",
    [
        "<div class=nav>" * 50_000 + "x" + "</div>" * 50_000 + "<p>deep",
        "<form>" * 50_000 + "deep" + "</form>" * 50_000,
        "<table><tr><td>" * 30_000 + "deep" + "</table>" * 30_000,
        "<span hidden>" * 50_000 + "x" + "</span>" * 50_000 + "deep",
        "<b><div></b>" * 50_000 + "deep",
        "<td></tr></table>" * 50_000 + "deep",
        "<dl><dt>a<dd>" * 30_000 + "deep",
        "<h1><h2>" * 30_000 + "<p>deep",
        f"<p data-x='{'y ' * 1_000_000}' class=a>deep",
        f"<p style='{' ' * 1_000_000}' class=a>deep",
        f"<p {'a=b ' * 200_000}>deep",
    ],
    ids="nav form table span overlap cells terms headings value style attributes".split(),
)
def test_hostile_pages_are_read_at_once(html: str) -> None:
    """What is looked at again for each element, or each nesting, takes minutes."""
    assert any("deep" in block for block in blocks(html))
