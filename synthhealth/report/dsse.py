"""Signed statements: in-toto statements in DSSE envelopes under Ed25519 keys, checkable with plain OpenSSL."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from pathlib import Path

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from pydantic import ValidationError

from privacy.errors import CheckError, ConfigError, refusal
from synthhealth.output import write_whole
from synthhealth.report.parts import Part

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"


class Digest(Part):
    """The hash of a subject."""

    sha256: str


class Subject(Part):
    """A file a statement is about."""

    name: str
    digest: Digest


class Predicate(Part):
    """What is stated: a role's sentence, or the seal over the whole folder."""

    role: str
    name: str
    decision: str
    sentence: str
    on: str
    valid_until: str
    report_sha256: str


class Statement(Part):
    """An in-toto statement; `type_` is written as `_type`."""

    type_: str
    subject: tuple[Subject, ...]
    predicate_type: str
    predicate: Predicate

    def to_bytes(self) -> bytes:
        """The statement in the field names of in-toto, as canonical JSON."""
        told = json.loads(self.model_dump_json())
        return rfc8785.dumps(
            {
                "_type": told["type_"],
                "subject": told["subject"],
                "predicateType": told["predicate_type"],
                "predicate": told["predicate"],
            }
        )

    @staticmethod
    def read(content: bytes) -> Statement:
        """The statement in a payload; raises ValueError when it is not one of ours."""
        told = json.loads(content)
        return Statement.model_validate(
            {
                "type_": told["_type"],
                "subject": told["subject"],
                "predicate_type": told["predicateType"],
                "predicate": told["predicate"],
            }
        )


def new_key(path: Path) -> str:
    """Write a new private key (PEM, readable by its owner only) and return its id.

    Raises ConfigError where a file stands already: a lost key cannot be had back.
    """
    if path.exists():
        raise ConfigError(
            refusal(what=f"key file {path}", must="not exist yet", got="a file", fix="choose another name")
        )
    key = Ed25519PrivateKey.generate()
    write_whole(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), mode=0o600)
    return key_id(key.public_key())


def load_key(path: Path, password: bytes | None = None) -> Ed25519PrivateKey:
    """Read a private key in PEM; raises ConfigError when it is no Ed25519 key or the password is wrong."""
    try:
        key = load_pem_private_key(path.read_bytes(), password)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            refusal(what=f"key file {path}", must="hold an Ed25519 private key in PEM", got=str(error), fix=_MAKE_KEY)
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(
            refusal(what=f"key file {path}", must="hold an Ed25519 key", got="another kind of key", fix=_MAKE_KEY)
        )
    return key


_MAKE_KEY = "openssl genpkey -algorithm ed25519 -out key.pem"


def key_id(key: Ed25519PublicKey) -> str:
    """SHA-256 of the public key's DER form, as `openssl pkey -pubin -outform DER | sha256sum` gives it."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def public_pem(key: Ed25519PublicKey) -> bytes:
    """The public key in PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def seal(statement: Statement, key: Ed25519PrivateKey) -> bytes:
    """The statement in a signed envelope, as canonical JSON."""
    body = statement.to_bytes()
    return _envelope(body, key.sign(encoding(body)), key_id(key.public_key()))


def _envelope(body: bytes, signature: bytes, named: str) -> bytes:
    return rfc8785.dumps(
        {
            "payload": base64.b64encode(body).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": named, "sig": base64.b64encode(signature).decode()}],
        }
    )


def encoding(body: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what the signature is over."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(body), body)


def opened(envelope: bytes, keys: tuple[Ed25519PublicKey, ...]) -> tuple[Statement, str]:
    """The statement in an envelope and the id of the key that signed it.

    Raises CheckError when the signature does not hold, no key fits, or one byte of the envelope is not canonical.
    """
    try:
        told = json.loads(envelope)
        body = base64.b64decode(told["payload"], validate=True)
        stated, named = told["signatures"][0]["sig"], told["signatures"][0]["keyid"]
        key = next(k for k in keys if key_id(k) == named)
        key.verify(base64.b64decode(stated, validate=True), encoding(body))
        statement = Statement.read(body)
    except (ValueError, KeyError, IndexError, TypeError, StopIteration, binascii.Error, ValidationError) as error:
        raise CheckError(_bad("an envelope that cannot be read, or of an unknown key")) from error
    except InvalidSignature as error:
        raise CheckError(_bad("a signature that does not hold")) from error
    if _envelope(body, base64.b64decode(stated), str(named)) != envelope or statement.to_bytes() != body:
        raise CheckError(_bad("an envelope that is not canonical"))
    return statement, str(named)


def read_public(path: Path) -> Ed25519PublicKey:
    """A public key in PEM; raises CheckError when it is none, or not in canonical form."""
    content = path.read_bytes()
    try:
        key = load_pem_public_key(content)
    except (ValueError, TypeError) as error:
        raise CheckError(_bad(f"no public key in {path.name}")) from error
    if not isinstance(key, Ed25519PublicKey) or public_pem(key) != content:
        raise CheckError(_bad(f"no canonical Ed25519 key in {path.name}"))
    return key


def _bad(got: str) -> str:
    return refusal(what="a signature", must="hold over what it names", got=got, fix="take the bundle from its sender")
