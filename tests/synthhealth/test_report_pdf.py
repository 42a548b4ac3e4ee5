from __future__ import annotations

import re
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest
from report_evidence import evidence

from privacy.errors import ConfigError
from synthhealth.report import ComplianceReport, pdf
from synthhealth.report.canonical import canonical, sha256
from synthhealth.report.pdf import pdf_is_possible, print_pdf
from synthhealth.report.render import render_release

WEASYPRINT = pytest.mark.skipif(not pdf_is_possible(), reason="weasyprint is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def pages(content: bytes) -> int:
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL)
    plain = [content]
    for stream in streams:
        try:
            plain.append(zlib.decompress(stream))
        except zlib.error:
            continue
    return max(int(n) for part in plain for n in re.findall(rb"/Type\s*/Pages.{0,400}?/Count\s+(\d+)", part, re.DOTALL))


def test_without_weasyprint_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pdf, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"synthhealth\[pdf\]"):
        print_pdf("<p>x</p>")


def test_without_weasyprint_an_old_pdf_is_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(pdf, "find_spec", lambda _: None)
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "report.pdf").write_bytes(b"old")
    ComplianceReport.of(evidence()).write(tmp_path)
    assert not (tmp_path / "release" / "report.pdf").exists()
    assert "report.pdf" not in (tmp_path / "release" / "SHA256SUMS").read_text()


@WEASYPRINT
def test_a_page_is_printed():
    content = print_pdf("<html lang='en'><title>x</title><body><p>one<p style='break-before:page'>two</body></html>")
    assert content.startswith(b"%PDF-")
    assert pages(content) == 2


@WEASYPRINT
@pytest.mark.parametrize(
    "body",
    [
        '<p style="background: url(https://example.org/x.png)">x</p>',
        "<img src='x.png'>",
        '<a href="https://example.org">x</a>',
        "<style>p {} @import 'x.css';</style>",
    ],
)
def test_nothing_is_fetched(body: str):
    with pytest.raises(ConfigError, match=r"no outside resource"):
        print_pdf(f"<html><body>{body}</body></html>")


@WEASYPRINT
def test_words_that_look_like_addresses_are_only_words():
    assert print_pdf("<html><body>url(https://example.org) src=&#34;x&#34;</body></html>").startswith(b"%PDF-")


@WEASYPRINT
@pytest.mark.slow
def test_both_editions_are_written_with_a_pdf_of_some_pages(tmp_path: Path):
    ComplianceReport.of(evidence()).write(tmp_path)
    content = (tmp_path / "release" / "report.pdf").read_bytes()
    assert 8 <= pages(content) <= 30


MEASURE = """
<script>
const wide = [...document.querySelectorAll("main *")].filter(
  e => !e.closest(".scroll, .draw, pre") && e.getBoundingClientRect().right > innerWidth + 1);
const small = [...document.querySelectorAll("main p, main td, main li, main dd")].filter(
  e => e.offsetParent !== null && parseFloat(getComputedStyle(e).fontSize) < 12);
document.title = `measured ${document.documentElement.scrollWidth - innerWidth} ${wide.length} ${small.length}`;
</script>
"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium")
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_sticks_out_at_any_width(tmp_path: Path, width: int):
    release = ComplianceReport.of(evidence()).release
    page = render_release(release, digest=sha256(canonical(release))).replace("</body>", MEASURE + "</body>")
    (tmp_path / "page.html").write_text(page)
    ran = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}",
            f"--window-size={width},900", "--dump-dom", f"file://{tmp_path / 'page.html'}",
        ],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    told = re.search(r"<title>measured (-?\d+) (\d+) (\d+)</title>", ran.stdout)
    assert told is not None, ran.stderr[-500:]
    assert (int(told[1]) <= 0, int(told[2]), int(told[3])) == (True, 0, 0)
