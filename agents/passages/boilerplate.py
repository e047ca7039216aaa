"""What surrounds the text of a page: told by the name, role, class and id of an element.

Names of classes are compared word by word: ``site-footer`` is a footer, ``footer-example`` is not,
because "example" is neither a name of boilerplate nor a word that is put beside one.
"""

import re
from enum import Enum
from functools import lru_cache

from agents.passages.markup import attributes


class Part(Enum):
    """What an element is to the page."""

    TEXT = "text"
    HIDDEN = "hidden"
    """Never shown."""
    AROUND = "around"
    """Navigation and notices, as the element's name or role says."""
    ALIKE = "alike"
    """The same, as its class or id suggests. It is content where most of the page is in it."""
    FORM = "form"
    """Content where most of the page is in it."""
    CENTRE = "centre"
    """The page's text, as the element's name, role, class or id suggests."""


AROUND = frozenset(
    "nav header footer aside noscript template svg select button dialog datalist object audio "
    "video canvas rp rt menu annotation annotation-xml".split()
)
"""Elements around the main text, and those whose content is not text of the page."""
_ROLES = frozenset(
    "navigation banner contentinfo complementary search menu menubar menuitem toolbar dialog "
    "alertdialog doc-toc doc-endnotes doc-footnote doc-noteref doc-index doc-pagelist "
    "doc-pagebreak tablist tooltip".split()
)
_EPUB_TYPES = frozenset(
    "toc landmarks page-list pagebreak noteref footnote footnotes endnote endnotes rearnote "
    "rearnotes index loi lot loa lov".split()
)
"""Values of EPUB's ``epub:type`` that say the same as a role, or have no role."""
_BLOCKS = frozenset(
    "div section article ul ol dl table td p form details fieldset center aside nav address".split()
)
"""Elements whose class or id is looked at. Inside of a line, names such as menu are subjects."""
_NEVER = frozenset(("html", "body"))
_CENTRE_NAMES = frozenset(
    "main-content maincontent page-content bodycontent entry-content e-content hentry "
    "h-entry post-content post-body article-content article-body articlebody story-body mw-body "
    "mw-content-text mw-parser-output markdown-body".split()
)
"""Classes and ids of elements that hold a page's text."""

_NOTES = frozenset("note tip warning admonition callout caution important hint".split())
"""Classes of an aside that belongs to the text."""
_NAMES = frozenset(
    "nav navbar navbars navbox navigation navheader navfooter navi topnav leftnav rightnav sidenav "
    "subnav menu menus menubar mainmenu submenu sidebar sidebars sphinxsidebar breadcrumb "
    "breadcrumbs crumbs crumb footer foot masthead topbar toc toctree tocs pagination pager paging "
    "pagenav prevnext cookie cookies gdpr consent advert adverts advertisement advertising ad ads "
    "adsbygoogle banner promo promotion sponsor sponsored sponsors social share sharing addthis "
    "sharethis related comments comment disqus respond newsletter subscribe subscription signup "
    "signin login logout register skip skiplink skiplinks skipnav copyright copyrights colophon "
    "disclaimer editsection reflist references footnote footnotes endnotes catlinks printfooter "
    "noprint byline postmeta paywall popup modal lightbox tagcloud tags trending recommended "
    "recommendations widget widgets aside outbrain taboola linenos lineno linenumber linenumbers "
    "linenodiv gutter tagline slogan strapline nosearch noindex nocontent relatedposts relatedpost "
    "commentlist commentform sharedaddy sharing likes likebox postnav meta entrymeta".split()
)
"""Words that name what surrounds a text."""
_FILLERS = frozenset(
    "site page main top left right bottom upper lower global local primary secondary tertiary "
    "wrapper wrap container content inner outer area bar list box col column block section panel "
    "pane row region group item items link links button buttons icon icons text title head header "
    "heading body form notice message policy info posts post entry article blog wp jp mw js ui id "
    "module component el bs uk is by in to of the and we you like also more inline fixed sticky "
    "dark light small large mobile desktop horizontal vertical tree table index end start cell "
    "slot unit code one two first second third desktoponly mobileonly".split()
)
"""Words that stand beside one of them in the name of a class."""
_IN_LINES = frozenset(
    "headerlink permalink hash-link anchorjs header-anchor heading-anchor anchor-link lineno "
    "linenos line-number line-numbers-rows linenumber ln editsection mw-editsection footnote "
    "footnote-ref footnote-reference footnote-backref footnote-back reference-noteref footnoteref "
    "footnotebacklink hljs-ln-numbers blob-num viewcode-link viewcode-back inline-template "
    "hideme".split()
)
"""Classes of elements inside of a line or of code that are left out: anchors, numbers, notes, and
links to the source. Wikipedia's remarks in the text, as "citation needed", are ``inline-template``,
and rustdoc's labels of what opens are ``hideme``.
"""
_HIDDEN = frozenset(
    "hidden visually-hidden visuallyhidden sr-only sr_only screen-reader-text screenreader-text "
    "screen-reader-only d-none is-hidden display-none invisible u-hidden element-invisible".split()
)
_SHOWN = re.compile(r"(?:^|[-:_])(?:block|flex|inline|grid|table|visible)\b")
"""Part of a class that shows, on wider screens, what another class hides."""
_NOT_SHOWN = re.compile(
    r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)\b", re.IGNORECASE
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_RELEVANT = re.compile(r"hidden|style|role|class|itemprop|epub:type|\bid\b", re.IGNORECASE)
_LONGEST_CACHED = 200


def part_of(name: str, source: str) -> Part:
    """What an element is, by its name and by the source of its attributes."""
    if name in _NEVER:
        return Part.TEXT
    if name == "main":
        return Part.CENTRE
    if not _RELEVANT.search(source):
        return _by_name(name)
    return (_cached if len(source) <= _LONGEST_CACHED else _by_attributes)(name, source)


def _by_name(name: str) -> Part:
    if name in AROUND:
        return Part.AROUND
    if name == "article":
        return Part.CENTRE
    return Part.FORM if name == "form" else Part.TEXT


def _by_attributes(name: str, source: str) -> Part:
    found = attributes(source)
    classes = found.get("class", "").split()
    if (
        found.get("hidden", "false").lower() != "false"
        or found.get("aria-hidden", "").strip().lower() == "true"
        or _NOT_SHOWN.search(found.get("style", ""))
        or (any(one in _HIDDEN for one in classes) and not any(map(_SHOWN.search, classes)))
    ):
        return Part.HIDDEN
    if any(role in _ROLES for role in found.get("role", "").lower().split()):
        return Part.AROUND
    if not _EPUB_TYPES.isdisjoint(found.get("epub:type", "").lower().split()):
        return Part.AROUND
    if name == "aside" and not _NOTES.isdisjoint(found.get("class", "").lower().split()):
        return Part.TEXT
    by_name = _by_name(name)
    if by_name in (Part.AROUND, Part.FORM):
        return by_name
    if any(one.lower() in _IN_LINES for one in classes):
        return Part.AROUND
    if name in _BLOCKS:
        ids = found.get("id", "").split()
        # Generators give a section the id of its heading, which may be any word.
        named = name != "section" and not any(one.startswith("sect") for one in classes)
        if any(map(_is_around, classes + (ids if named else []))):
            return Part.ALIKE
        if (
            "main" in found.get("role", "").lower().split()
            or found.get("itemprop", "").lower() == "articlebody"
            or any(one.lower() in _CENTRE_NAMES for one in (*classes, *ids))
        ):
            return Part.CENTRE
    return by_name


_cached = lru_cache(maxsize=4096)(_by_attributes)


def _is_around(name: str) -> bool:
    """Whether the name of a class or an id is one of boilerplate."""
    if len(name) > 60:
        return False
    words = [word.lower() for word in _WORD.findall(name)]
    return any(word in _NAMES for word in words) and all(
        word in _NAMES or word in _FILLERS or word.isdigit() for word in words
    )
