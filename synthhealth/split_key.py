"""The secret that decides who is held out: made once for an out folder, kept inside, never released."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from privacy.errors import CheckError, refusal
from privacy.randomness import secret_bytes
from synthhealth.output import write_whole

KEY_BYTES = 32


def read_or_make_key(path: Path) -> bytes:
    """The key of this out folder; a new one from the operating system where there is none yet."""
    if not path.exists():
        write_whole(path, secret_bytes(KEY_BYTES).hex() + "\n", mode=0o600)
    return read_key(path)


def read_key(path: Path) -> bytes:
    """The key that the fit used; raises CheckError where it is missing or cut short."""
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (FileNotFoundError, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise CheckError(
            refusal(
                what=f"key file {path}",
                must=f"hold {KEY_BYTES} bytes in hexadecimal",
                got="no file" if not path.exists() else "something else",
                fix="put it back; without it nobody can tell who was held out, and the fit must be made anew",
            )
        )
    return key


def commitment(key: bytes, *tables: Path) -> str:
    """HMAC-SHA256 of the source files under the key: it can be opened later, and tells nobody who is in them.

    Privacy: free; without the key it is a random number.
    """
    whole = hmac.new(key, b"synthhealth source", hashlib.sha256)
    for table in tables:
        with table.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
