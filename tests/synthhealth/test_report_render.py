from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from html import unescape
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise

import pytest
from report_evidence import evidence

from evaluation.attacks.shadows import ATTACKS as SHADOWS
from evaluation.attacks.suite import SUITE, TOGETHER
from synthhealth.report import ComplianceReport
from synthhealth.report.attack_figures import forest_figure
from synthhealth.report.canonical import canonical, sha256
from synthhealth.report.evidence import EngineFacts, Evidence, Recipient
from synthhealth.report.parts import Tier
from synthhealth.report.reading import recipient
from synthhealth.report.render import Signed, at_pointer, render_internal, render_release
from synthhealth.report.wording import number

VOID = {"meta", "br", "line", "polyline", "polygon", "rect", "circle", "img", "hr", "link"}


class Page(HTMLParser):
    """What the tests ask of a page: tags with their attributes, ids, links, marked numbers, and balance."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.numbers: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self._number: tuple[str, str] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: "" if value is None else value for name, value in attrs}
        self.tags.append((tag, told))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "data":
            self._number = (told["data-at"], told["data-as"])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: "" if value is None else value for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._number is not None:
            self.numbers.append((*self._number, data))
            self._number = None

    def named(self, tag: str) -> list[dict[str, str]]:
        return [told for name, told in self.tags if name == tag]


@lru_cache(maxsize=1)
def report() -> ComplianceReport:
    return ComplianceReport.of(evidence())


@lru_cache(maxsize=2)
def html(edition: str) -> str:
    if edition == "release":
        return render_release(report().release, digest=sha256(canonical(report().release)))
    return render_internal(report().internal, digest=sha256(canonical(report().internal)))


def rendered(given: Evidence) -> str:
    made = ComplianceReport.of(given)
    render_internal(made.internal, digest="0" * 64)
    return render_release(made.release, digest="0" * 64)


BOTH = pytest.mark.parametrize("edition", ["release", "internal"])


@BOTH
def test_page_is_one_file_without_network_or_script(edition: str):
    page = Page(html(edition))
    assert page.named("script") == page.named("link") == page.named("img") == page.named("iframe") == []
    assert all(a["href"].startswith("#") for a in page.named("a"))
    assert re.findall(r"(?:src|srcset|action|data)=", html(edition)) == []
    assert re.findall(r"url\(|@import|//fonts|https?://(?!www\.w3\.org/2000/svg)", html(edition)) == []


@BOTH
def test_page_is_well_formed_with_unique_ids_and_links_that_lead_somewhere(edition: str):
    page = Page(html(edition))
    assert page.open == []
    ids = Counter(told["id"] for _, told in page.tags if "id" in told)
    assert [name for name, count in ids.items() if count > 1] == []
    assert [a["href"] for a in page.named("a") if a["href"][1:] not in ids] == []
    labels = [name for _, told in page.tags for name in told.get("aria-labelledby", "").split()]
    assert [name for name in labels if name not in ids] == []


@BOTH
def test_page_can_be_walked_by_landmarks_and_keyboard(edition: str):
    page = Page(html(edition))
    assert page.named("html") == [{"lang": "en"}]
    assert len(page.named("main")) == len(page.named("nav")) == len(page.named("h1")) == len(page.named("footer")) == 1
    assert page.named("nav")[0]["aria-label"] == "Contents"
    assert page.named("a")[0] == {"class": "skip", "href": "#main"}
    assert all("aria-labelledby" in section for section in page.named("section"))
    regions = [told for _, told in page.tags if told.get("class") == "scroll"]
    assert len(regions) > 5
    assert all(told["tabindex"] == "0" and told["role"] == "region" and told["aria-label"] for told in regions)


@BOTH
def test_headings_never_skip_a_level(edition: str):
    levels = [int(tag[1]) for tag, _ in Page(html(edition)).tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


@BOTH
def test_figures_speak_and_tables_have_headers(edition: str):
    page = Page(html(edition))
    drawings = page.named("svg")
    assert len(drawings) == (7 if edition == "release" else 10)
    assert all(told["role"] == "img" and "aria-labelledby" in told for told in drawings)
    assert len(page.named("desc")) == len(drawings)
    tables = len(page.named("table"))
    assert len(page.named("thead")) == tables
    assert len([th for th in page.named("th") if th.get("scope") == "col"]) >= 2 * tables
    assert all("scope" in th for th in page.named("th"))


@BOTH
def test_every_marked_number_is_the_one_in_the_json(edition: str):
    told = json.loads(canonical(report().release if edition == "release" else report().internal))
    numbers = Page(html(edition)).numbers
    assert len(numbers) > 40
    for pointer, style, shown in numbers:
        assert number(at_pointer(told, pointer), style) == shown


def test_pointers_lead_to_numbers_only():
    for pointer in ("/common/legal", "/common/promise/applies", "/nowhere", "/common/legal/0"):
        with pytest.raises(KeyError):
            at_pointer(json.loads(canonical(report().release)), pointer)


@BOTH
def test_state_of_signatures_is_on_the_page_and_in_print(edition: str):
    assert re.search(r'<header class="mark"[^>]*>.*UNSIGNED</header>', html(edition))
    assert re.search(r'@top-left \{ content: "[^"]*UNSIGNED"', html(edition))


def test_the_internal_edition_says_that_it_must_not_leave():
    assert html("internal").count("must not leave the institution") >= 2
    assert "must not leave the institution" not in html("release")


def test_signatures_are_printed():
    by = Signed(
        role="privacy_officer", name="P. Officer", decision="signed", on="2026-11-23", valid_until="2027-11-22",
        key_id="ab" * 32,
    )  # fmt: skip
    page = render_release(report().release, digest="0" * 64, signed=(by,))
    assert "signed by 1 of 3 roles" in page
    assert "SIGNED by P. Officer on 2026-11-23" in page
    assert page.count('<p class="open">UNSIGNED</p>') == 2


def test_declining_is_no_signature():
    by = Signed(
        role="privacy_officer", name="P. Officer", decision="declined", on="2026-11-23", valid_until="2027-11-22",
        key_id="ab" * 32,
    )  # fmt: skip
    page = render_release(report().release, digest="0" * 64, signed=(by,))
    assert "DECLINED by P. Officer" in page
    assert '<header class="mark">' in page
    assert "UNSIGNED</header>" in page


def test_first_page_tells_what_a_signer_needs():
    first = html("release").split('<section id="verdict"')[0]
    for words in (
        "Review under policy default 1.0",
        "Of 100 attackers",
        "Strongest attack",
        "Not protected",
        "unsigned",
    ):
        assert words in first
    assert report().release.common.legal in first


@BOTH
def test_all_fourteen_chapters_are_there(edition: str):
    assert re.findall(r'<span class="n">(\d+)</span>', html(edition)) == [str(k) for k in range(1, 15)]


def test_text_from_outside_is_escaped():
    nasty = '<script>alert("x")</script>'
    page = rendered(
        replace(evidence(), release_name=nasty, recipient=Recipient(tier="controlled", name=nasty, purpose=nasty))
    )
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_an_engine_without_privacy_prints_no_epsilon():
    page = rendered(replace(evidence(), engine=EngineFacts(name="vae-nonprivate", private=False), population=None))
    assert "not differentially private" in page
    assert 'data-at="/common/promise/epsilon' not in page
    assert "Fails policy" in page
    assert "Right guesses" not in page


def test_every_attack_of_the_suite_has_its_whole_title_in_the_figure():
    titles = [attack.title for call in (*SUITE, *TOGETHER) for attack in call.attacks] + [one.title for one in SHADOWS]
    row = next(row for row in report().release.common.attacks if row.measures[0].name == "auc")
    rows = tuple(row.model_copy(update={"title": title}) for title in titles)
    drawn = unescape(str(forest_figure(rows)))
    assert [title for title in titles if f">{title}</text>" not in drawn] == []


@pytest.mark.parametrize(("name", "said"), [("", "a registry with controlled access"), ("R", "R (a registry with")])
def test_the_recipient_is_said_once(name: str, said: str):
    tier = Tier(name="controlled", recipient=name, onward_sharing_limited=True)
    assert recipient(tier).startswith(said)
    assert recipient(tier).count("registry") == 1


def test_nothing_measured_is_said():
    page = rendered(replace(evidence(), findings=(), audit=None, population=None, files=()))
    assert "No attack was run." in page
    assert "No such number was bought" in page


def test_rehearsal_is_stamped():
    assert "REHEARSAL" in rendered(replace(evidence(), rehearsal=True)).split("<main")[0]


@pytest.mark.parametrize(
    ("value", "style", "shown"),
    [
        (3.3312, "epsilon", "3.34"),
        (3.33, "epsilon", "3.33"),
        (1e-6, "delta", "1e-6"),
        (2.5e-13, "delta", "2e-13"),
        (0.2534, "most", "25.4 %"),
        (0.00803, "most", "0.81 %"),
        (12345.0, "count", "12,345"),
        (0.012, "plain", "0.012"),
        (None, "epsilon", "none"),
    ],
)
def test_bounds_are_rounded_up(value: float | None, style: str, shown: str):
    assert number(value, style) == shown


def contrast(one: str, other: str) -> float:
    """WCAG 2.2 contrast ratio of two #rrggbb colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_can_be_read(theme: str):
    style = (files("synthhealth.report") / "templates" / "page.css").read_text()
    block = style.split("prefers-color-scheme: dark")[0 if theme == "light" else 1]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block.split("}")[0]))
    for ground in ("paper", "ground"):
        for words in ("ink", "muted", "accent", "warm", "pass", "review", "fail"):
            assert contrast(colours[words], colours[ground]) >= 4.5, (words, ground)
    for word in ("pass", "review", "fail"):
        assert contrast(colours[word], colours[f"{word}-ground"]) >= 4.5
    assert contrast(colours["ink"], colours["soft"]) >= 4.5
    assert contrast(colours["muted"], colours["soft"]) >= 3.0
