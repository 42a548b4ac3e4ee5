"""Writes the release edition's own files, and after each signature writes them again."""

from __future__ import annotations

from pathlib import Path

from synthhealth.output import write_whole
from synthhealth.report.annexes import ANNEXES, annexes
from synthhealth.report.canonical import canonical, sha256
from synthhealth.report.document import ReleaseDocument
from synthhealth.report.instructions import instructions
from synthhealth.report.pdf import pdf_is_possible, print_pdf
from synthhealth.report.render import Signed, render_release

SUMS = "SHA256SUMS"
SEAL = "seal.dsse.json"
SIGNATURES = "signatures"
OWN = ("report.json", "report.html", "report.pdf", "policy.toml", "ledger.json", "VERIFY.txt", SUMS, SEAL, *ANNEXES)


def publish(folder: Path, document: ReleaseDocument, *, signed: tuple[Signed, ...] = (), pdf: bool = True) -> None:
    """Write report.json, report.html, report.pdf, the annexes, VERIFY.txt and SHA256SUMS into `folder`.

    SHA256SUMS lists every file that stands in the folder, so that it must be written last. An old
    report.pdf is removed where no new one is printed, since it would show an older state.

    Privacy: free; a release document holds nothing exact from real rows.
    """
    content = canonical(document)
    digest = sha256(content)
    html = render_release(document, digest=digest, signed=signed)
    write_whole(folder / "report.json", content)
    write_whole(folder / "report.html", html)
    if pdf and pdf_is_possible():
        write_whole(folder / "report.pdf", print_pdf(html))
    else:
        (folder / "report.pdf").unlink(missing_ok=True)
    for annex in annexes(document, digest=digest):
        write_whole(folder / annex.path, annex.text)
    write_whole(folder / "VERIFY.txt", instructions(document, digest=digest, signed=signed))
    write_whole(folder / SUMS, sums(folder))


def sums(folder: Path) -> str:
    """SHA-256 of every file in the folder but the list itself and the seal over it, as `sha256sum -c` reads it."""
    return "".join(f"{sha256((folder / name).read_bytes())}  {name}\n" for name in listed(folder))


def listed(folder: Path) -> tuple[str, ...]:
    """Relative paths of every file in the folder but SHA256SUMS and the seal, sorted; half-written ones left out."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return tuple(n for n in names if n not in (SUMS, SEAL) and not n.endswith(".partial"))
