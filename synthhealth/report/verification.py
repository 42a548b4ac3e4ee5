"""Checks a release folder offline: hashes, signatures, prices, odds, verdict, and every printed number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from jinja2 import TemplateError

from privacy.chain import START, locked
from privacy.errors import SynthhealthError
from synthhealth import __version__
from synthhealth.report.annexes import annexes
from synthhealth.report.canonical import sha256
from synthhealth.report.document import ReleaseDocument
from synthhealth.report.dsse import key_id, opened, read_public
from synthhealth.report.instructions import instructions
from synthhealth.report.publish import OWN, SEAL, SIGNATURES, SUMS, listed, sums
from synthhealth.report.recheck import recheck
from synthhealth.report.render import Signed, render_release, wrong_numbers
from synthhealth.report.signing import SEALING, public_keys, read_document, signatures, stable_subjects

VERIFIED, FAILED, OPEN = 0, 5, 6
_BROKEN = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, StopIteration, TemplateError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One check of the folder: what was checked, whether it holds, and what was met where it does not."""

    name: str
    holds: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """All checks of a folder; `missing` are the roles that have not signed, `expired` what has run out."""

    results: tuple[Result, ...]
    missing: tuple[str, ...]
    expired: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 verified, 5 a check failed, 6 verified but unsigned or expired."""
        if any(not result.holds for result in self.results):
            return FAILED
        return OPEN if len(self.missing) + len(self.expired) > 0 else VERIFIED

    def __str__(self) -> str:
        lines = [
            f"{'ok    ' if r.holds else 'FAILED'} {r.name}{': ' + r.detail if r.detail else ''}" for r in self.results
        ]
        lines += [f"open   unsigned: {role}" for role in self.missing]
        lines += [f"open   expired: {what}" for what in self.expired]
        lines.append({VERIFIED: "verified", FAILED: "NOT verified", OPEN: "verified, but not in force"}[self.exit_code])
        return "\n".join(lines)


def verify(
    folder: str | Path,
    *,
    today: date,
    trusted: tuple[Path, ...] = (),
    account: Path | None = None,
    account_key: bytes | None = None,
) -> Verification:
    """Check a release folder; never raises for what is wrong in it.

    `trusted` are public keys obtained over another channel: with them, a signature by any other key fails.
    Without them the keys in the folder show that nothing was changed since, not who signed. Prices, odds and
    verdict are computed only where every file is the one that was written. `account` is the population's own
    ledger, which the institution has at hand: its chain is checked with `account_key`, and what the report says
    of it must stand in it.

    Privacy: free; reads nothing but the release folder, and no network.
    """
    place = Path(folder)
    first = (_check("SHA256SUMS lists these files and no others", lambda: _sums(place)),)
    try:
        document = read_document(place)
    except SynthhealthError as error:
        broken = Result(name="report.json is a report in canonical form", holds=False, detail=str(error))
        return Verification(results=(*first, broken), missing=(), expired=())
    signed, results = _signed(place, document, trusted)
    results = (
        *first,
        Result(name="report.json is a report in canonical form", holds=True),
        _check("policy, ledger and released files are those the report names", lambda: _named(place, document)),
        *results,
        *_drawn(place, document, signed),
    )
    if all(result.holds for result in results):
        results = (*results, *_computed(place, document))
    if account is not None:
        name = "the population's ledger holds what the report names"
        results = (*results, _check(name, lambda: _chain(document, account, account_key)))
    return Verification(results=results, missing=_missing(document, signed), expired=_expired(document, signed, today))


def _computed(folder: Path, document: ReleaseDocument) -> tuple[Result, ...]:
    try:
        tests = recheck(folder, document)
    except (SynthhealthError, OSError) as error:
        return (Result(name="ledger and policy can be read", holds=False, detail=str(error)),)
    return tuple(_check(name, test) for name, test in tests)


def _check(name: str, test: Callable[[], str]) -> Result:
    """Run one check; it returns what is wrong, empty when nothing is."""
    try:
        detail = test()
    except SynthhealthError as error:
        return Result(name=name, holds=False, detail=str(error))
    except _BROKEN as error:
        # A hostile file may trip any of our readers; that is a failed check, not a crash.
        return Result(name=name, holds=False, detail=f"cannot be read ({type(error).__name__})")
    return Result(name=name, holds=detail == "", detail=detail)


def _sums(folder: Path) -> str:
    listing = (folder / SUMS).read_bytes().decode("utf-8", errors="replace")
    if listing == sums(folder):
        return ""
    told = dict(line.split("  ", 1)[::-1] for line in listing.splitlines() if "  " in line)
    here = set(listed(folder))
    changed = [n for n in sorted(here & set(told)) if sha256((folder / n).read_bytes()) != told[n]]
    lost, new = sorted(set(told) - here), sorted(here - set(told))
    parts = [("changed", changed), ("missing", lost), ("not listed", new)]
    said = "; ".join(f"{word}: {', '.join(names)}" for word, names in parts if len(names) > 0)
    return said if said != "" else f"{SUMS} itself was changed"


def _named(folder: Path, document: ReleaseDocument) -> str:
    stable_subjects(folder, document)
    known = {*OWN, *(f.path for f in document.common.lineage.files)}
    stray = [n for n in listed(folder) if n not in known and not n.startswith(f"{SIGNATURES}/")]
    return f"not named by the report: {', '.join(stray)}" if len(stray) > 0 else ""


def _signed(
    folder: Path, document: ReleaseDocument, trusted: tuple[Path, ...]
) -> tuple[tuple[Signed, ...], tuple[Result, ...]]:
    """The signatures that hold, and the checks of them; none of them where any is broken."""
    if not (folder / SIGNATURES).exists() and not (folder / SEAL).exists():
        return (), ()
    found: list[Signed] = []

    def each() -> str:
        found.extend(signatures(folder, document))
        others = [f"{s.role} ({s.key_id[:16]})" for s in found if len(wanted) > 0 and s.key_id not in wanted]
        return f"signed by a key that is not trusted: {', '.join(others)}" if len(others) > 0 else ""

    wanted = tuple(key_id(read_public(path)) for path in trusted)
    results = (
        _check("every signature holds over this report", each),
        _check(f"{SEAL} holds over {SUMS}", lambda: _seal(folder, wanted)),
    )
    return tuple(found), results


def _seal(folder: Path, wanted: tuple[str, ...]) -> str:
    statement, signed_by = opened((folder / SEAL).read_bytes(), public_keys(folder))
    subject = statement.subject[0]
    if statement.predicate_type != SEALING or subject.name != SUMS or len(statement.subject) != 1:
        return "it seals something else"
    if len(wanted) > 0 and signed_by not in wanted:
        return f"sealed by a key that is not trusted: {signed_by[:16]}"
    return "" if subject.digest.sha256 == sha256((folder / SUMS).read_bytes()) else f"{SUMS} was changed after sealing"


def _drawn(folder: Path, document: ReleaseDocument, signed: tuple[Signed, ...]) -> tuple[Result, ...]:
    """Everything drawn from report.json is drawn again; another version may word it otherwise, not number it."""
    made_by = document.common.header.software
    if made_by != f"synthhealth {__version__}":
        numbers = _check(
            "every marked number of the page is the one in report.json", lambda: _numbers(folder, document)
        )
        note = f"made by {made_by}, and only that version can draw it again"
        return (
            numbers,
            Result(name="wording of the page, VERIFY.txt and annexes not compared", holds=True, detail=note),
        )
    return (
        _check("the page shows exactly what report.json says", lambda: _page(folder, document, signed)),
        _check("VERIFY.txt is the one that belongs here", lambda: _instructions(folder, document, signed)),
        _check("the annexes say what report.json says", lambda: _annexes(folder, document)),
    )


def _numbers(folder: Path, document: ReleaseDocument) -> str:
    html = (folder / "report.html").read_text(encoding="utf-8")
    wrong = wrong_numbers(html, document)
    if sha256((folder / "report.json").read_bytes()) not in html:
        return "the page does not name this report.json"
    return f"not as in report.json: {', '.join(wrong)}" if len(wrong) > 0 else ""


def _page(folder: Path, document: ReleaseDocument, signed: tuple[Signed, ...]) -> str:
    digest = sha256((folder / "report.json").read_bytes())
    same = render_release(document, digest=digest, signed=signed).encode() == (folder / "report.html").read_bytes()
    return "" if same else "report.html is not what this version prints from report.json"


def _instructions(folder: Path, document: ReleaseDocument, signed: tuple[Signed, ...]) -> str:
    digest = sha256((folder / "report.json").read_bytes())
    same = instructions(document, digest=digest, signed=signed).encode() == (folder / "VERIFY.txt").read_bytes()
    return "" if same else "it was changed"


def _annexes(folder: Path, document: ReleaseDocument) -> str:
    digest = sha256((folder / "report.json").read_bytes())
    drawn = annexes(document, digest=digest)
    changed = [a.path for a in drawn if a.text.encode() != (folder / a.path).read_bytes()]
    return f"changed: {', '.join(changed)}" if len(changed) > 0 else ""


def _chain(document: ReleaseDocument, account: Path, key: bytes | None) -> str:
    total = document.common.population
    if total is None:
        return "the report names no population"
    if not account.is_file():
        return f"there is no file {account.name}"
    with locked(account, key) as chain:
        if len(chain.records) < total.records:
            return f"it has {len(chain.records)} records, the report names {total.records}"
        head = chain.records[total.records - 1].hash if total.records > 0 else START
        return "" if head == total.head_sha256 else f"record {total.records} is another one than the report names"


def _missing(document: ReleaseDocument, signed: tuple[Signed, ...]) -> tuple[str, ...]:
    done = {s.role for s in signed if s.decision == "signed"}
    return tuple(box.role for box in document.common.sign_off if box.role not in done)


def _expired(document: ReleaseDocument, signed: tuple[Signed, ...], today: date) -> tuple[str, ...]:
    ends = [
        ("the report", document.common.header.expires_on),
        ("the policy", document.common.verdict.policy.valid_until),
    ]
    ends += [(f"the signature of {s.role}", s.valid_until) for s in signed]
    return tuple(what for what, end in ends if today > date.fromisoformat(end))
