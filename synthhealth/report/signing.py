"""Signs a release folder for one role: its sentence over the stable files, then a seal over every file there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import ValidationError

from privacy.errors import CheckError, ConfigError, refusal
from synthhealth.output import write_whole
from synthhealth.report.canonical import canonical, sha256
from synthhealth.report.document import ReleaseDocument
from synthhealth.report.dsse import (
    STATEMENT,
    Digest,
    Predicate,
    Statement,
    Subject,
    key_id,
    opened,
    public_pem,
    read_public,
    seal,
)
from synthhealth.report.publish import SEAL, SIGNATURES, SUMS, publish
from synthhealth.report.render import Signed

ATTESTATION = "urn:synthhealth:attestation:1"
SEALING = "urn:synthhealth:seal:1"
Decision = Literal["signed", "declined"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who signs: a role of the policy, the person's name, the decision, and until when it holds."""

    role: str
    name: str
    decision: Decision
    on: date
    valid_until: date


def sign(folder: Path, signer: Signer, key: Ed25519PrivateKey, *, pdf: bool = True) -> None:
    """Add one signature to a release folder and print its pages again.

    The role's signature covers report.json, the policy, the ledger and every released file; the seal
    covers SHA256SUMS and so every file that stands in the folder.

    Raises CheckError when a file is not the one the report names, or the report is a rehearsal;
    ConfigError when the policy asks for no such role.

    Privacy: free; reads nothing but the release folder.
    """
    document = read_document(folder)
    _check_role(document, signer)
    subjects = stable_subjects(folder, document)
    statement = Statement(
        type_=STATEMENT,
        subject=subjects,
        predicate_type=ATTESTATION,
        predicate=_predicate(document, signer, sentence_of(document, signer.role)),
    )
    fingerprint = key_id(key.public_key())
    write_whole(folder / SIGNATURES / f"{signer.role}.dsse.json", seal(statement, key))
    write_whole(folder / SIGNATURES / f"{fingerprint[:16]}.pem", public_pem(key.public_key()))
    publish(folder, document, signed=signatures(folder, document), pdf=pdf)
    whole = Statement(
        type_=STATEMENT,
        subject=(Subject(name=SUMS, digest=Digest(sha256=sha256((folder / SUMS).read_bytes()))),),
        predicate_type=SEALING,
        predicate=_predicate(document, signer, "I sealed these files as they stand here."),
    )
    write_whole(folder / SEAL, seal(whole, key))


def read_document(folder: Path) -> ReleaseDocument:
    """The report of a release folder; raises CheckError when it is none or not in canonical form."""
    try:
        content = (folder / "report.json").read_bytes()
        document = ReleaseDocument.model_validate_json(content)
    except (OSError, ValidationError) as error:
        raise CheckError(_broken("report.json", type(error).__name__)) from error
    if canonical(document) != content:
        raise CheckError(_broken("report.json", "JSON that is not canonical"))
    return document


def stable_subjects(folder: Path, document: ReleaseDocument) -> tuple[Subject, ...]:
    """The files a role signs, with their hashes; raises CheckError when one is not the file that the report names."""
    expected = {
        "policy.toml": document.common.verdict.policy.sha256,
        "ledger.json": document.common.ledger.file_sha256,
        **{f.path: f.sha256 for f in document.common.lineage.files},
    }
    for name, wanted in expected.items():
        if not (folder / name).is_file() or sha256((folder / name).read_bytes()) != wanted:
            raise CheckError(_broken(name, "another file, or none"))
    named = {"report.json": sha256((folder / "report.json").read_bytes()), **expected}
    return tuple(Subject(name=name, digest=Digest(sha256=named[name])) for name in sorted(named))


def public_keys(folder: Path) -> tuple[Ed25519PublicKey, ...]:
    """The public keys that lie in the folder; they show integrity, not who holds them.

    Raises CheckError when one is not the key its name says.
    """
    keys = []
    for path in sorted((folder / SIGNATURES).glob("*.pem")):
        key = read_public(path)
        if key_id(key)[:16] != path.stem:
            raise CheckError(_broken(path.name, "another key"))
        keys.append(key)
    return tuple(keys)


def signatures(folder: Path, document: ReleaseDocument) -> tuple[Signed, ...]:
    """Every signature in the folder that holds over this report; raises CheckError for one that does not."""
    keys, subjects = public_keys(folder), stable_subjects(folder, document)
    found = []
    for path in sorted((folder / SIGNATURES).glob("*.dsse.json")):
        statement, signed_by = opened(path.read_bytes(), keys)
        said = statement.predicate
        fits = statement.predicate_type == ATTESTATION and f"{said.role}.dsse.json" == path.name
        if not fits or statement.subject != subjects or said.sentence != sentence_of(document, said.role):
            raise CheckError(_broken(f"signatures/{path.name}", "a signature over something else"))
        found.append(
            Signed(
                role=said.role,
                name=said.name,
                decision=said.decision,
                on=said.on,
                valid_until=said.valid_until,
                key_id=signed_by,
            )
        )
    return tuple(found)


def sentence_of(document: ReleaseDocument, role: str) -> str:
    """The exact sentence of a role; raises ConfigError when the policy asks for no such role."""
    for box in document.common.sign_off:
        if box.role == role:
            return box.sentence
    roles = ", ".join(box.role for box in document.common.sign_off)
    raise ConfigError(refusal(what=f"role {role!r}", must="be one the policy asks for", got=role, fix=f"use {roles}"))


def _check_role(document: ReleaseDocument, signer: Signer) -> None:
    sentence_of(document, signer.role)
    if document.common.header.stamp != "" and signer.decision == "signed":
        raise CheckError(
            refusal(what="a rehearsal", must="not be signed", got=document.common.header.stamp, fix="run it for real")
        )


def _predicate(document: ReleaseDocument, signer: Signer, sentence: str) -> Predicate:
    return Predicate(
        role=signer.role,
        name=signer.name,
        decision=signer.decision,
        sentence=sentence,
        on=signer.on.isoformat(),
        valid_until=signer.valid_until.isoformat(),
        report_sha256=sha256(canonical(document)),
    )


def _broken(name: str, got: str) -> str:
    return refusal(what=name, must="be the file the report names", got=got, fix="write the report again")
