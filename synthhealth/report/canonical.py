"""One way to write a document as bytes (RFC 8785), so that its hash is the hash of its content."""

from __future__ import annotations

import hashlib
import json

import rfc8785
from pydantic import BaseModel


def canonical(document: BaseModel) -> bytes:
    """The document as canonical JSON."""
    return rfc8785.dumps(json.loads(document.model_dump_json()))


def sha256(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()
