"""VERIFY.txt: how to check the folder with nothing but a shell and OpenSSL."""

from __future__ import annotations

from synthhealth.report.document import ReleaseDocument
from synthhealth.report.render import Signed


def instructions(document: ReleaseDocument, *, digest: str, signed: tuple[Signed, ...]) -> str:
    """The text of VERIFY.txt; it depends on the document and the signatures alone."""
    header = document.common.header
    return "\n".join(
        (
            f"{header.release}: how to check this folder offline",
            "",
            "1. Every file is the one that was written:",
            "",
            "     sha256sum -c SHA256SUMS              (macOS: shasum -a 256 -c SHA256SUMS)",
            "",
            "2. The page and the JSON belong together. SHA-256 of report.json, printed on every page:",
            "",
            f"     {digest}",
            "",
            "3. Signatures.",
            "",
            *_signatures(signed),
            "4. Epsilon, odds, verdict and every printed number, with the software:",
            "",
            "     synthhealth verify .",
            "",
            "   or by hand: report.json holds each charge with its native parameters (event), the privacy",
            "   profile, and each check of the policy with what was observed and what was required.",
            "",
            "What no check of these files can show: that the training really ran with the printed",
            "parameters, that the schema was written without looking at rows, and that a key belongs to",
            "the person it is said to belong to. Compare the key's fingerprint over another channel.",
            "",
            f"This report holds until {header.expires_on}.",
            "",
        )
    )


def _signatures(signed: tuple[Signed, ...]) -> tuple[str, ...]:
    if len(signed) == 0:
        return ("   UNSIGNED. Nobody has signed this report; the hashes show accidents, not intent.", "")
    rows = tuple(f"     {s.role}: {s.decision} by {s.name} on {s.on}, key {s.key_id}" for s in signed)
    last = signed[-1]
    return (
        *rows,
        "",
        "   Check one (F is the signature, K the key; do so for each file in signatures/, and for the seal):",
        "",
        f"     F=signatures/{last.role}.dsse.json K=signatures/{last.key_id[:16]}.pem T=$(mktemp -d)",
        r"""     sed 's/.*"payload":"\([^"]*\)".*/\1/' "$F" | openssl base64 -d -A > $T/body""",
        r"""     sed 's/.*"sig":"\([^"]*\)".*/\1/' "$F" | openssl base64 -d -A > $T/sig""",
        "     printf 'DSSEv1 28 application/vnd.in-toto+json %d ' $(wc -c < $T/body) | cat - $T/body > $T/pae",
        '     openssl pkeyutl -verify -pubin -inkey "$K" -rawin -in $T/pae -sigfile $T/sig',
        "     cat $T/body                        (what was signed: files with their SHA-256)",
        """     openssl pkey -pubin -in "$K" -outform DER | openssl dgst -sha256        (the key's fingerprint)""",
        "",
        "   seal.dsse.json is the last signer's signature over SHA256SUMS, and so over every file here:",
        "   its body must hold the hash that `sha256sum SHA256SUMS` prints.",
        "",
    )
