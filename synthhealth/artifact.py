"""A fitted model on disk: one safetensors file and one JSON file, no pickle and no patient in either."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from privacy.errors import CheckError, ConfigError, refusal
from privacy.schema import Schema
from synthhealth.generators.protocol import EngineName, ModelState
from synthhealth.output import write_folder

ARRAYS = "model.safetensors"
CARD = "model.json"


class Card(BaseModel):
    """What stands beside the arrays, in `model.json`, for people and for `load`.

    `sha256` is the fingerprint of the arrays' file, `ledger` the spending as the ledger writes it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["synthhealth-model/1"] = "synthhealth-model/1"
    engine: EngineName
    private: bool
    seed: int
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    public_schema: Schema = Field(alias="schema")
    ledger: JsonValue
    state: JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A fitted model with all that is needed to sample from it and to say what it cost.

    `ledger` is JSON text, as `Ledger.to_json` writes it.
    """

    engine: EngineName
    private: bool
    seed: int
    schema: Schema
    ledger: str
    state: ModelState

    @property
    def run_id(self) -> str:
        """The run under which the ledger charged this model."""
        return str(json.loads(self.ledger)["run_id"])


def save(artifact: Artifact, folder: str | Path) -> None:
    """Write the model's folder as a whole; an earlier one of that name is replaced.

    Privacy: free; what it writes was paid for.
    """
    from safetensors.numpy import save as arrays_to_bytes  # only those who write models need it

    arrays = arrays_to_bytes({name: np.ascontiguousarray(array) for name, array in artifact.state.arrays.items()})
    card = Card(
        engine=artifact.engine,
        private=artifact.private,
        seed=artifact.seed,
        sha256=hashlib.sha256(arrays).hexdigest(),
        schema=artifact.schema,
        ledger=json.loads(artifact.ledger),
        state=json.loads(artifact.state.meta),
    )

    def fill(scratch: Path) -> None:
        (scratch / ARRAYS).write_bytes(arrays)
        (scratch / CARD).write_text(card.model_dump_json(by_alias=True, indent=2) + "\n", encoding="utf-8")

    write_folder(Path(folder), fill)


def load(folder: str | Path) -> Artifact:
    """Read what `save` wrote.

    Raises ConfigError when there is no model, CheckError when a file is not the one that was saved.

    Privacy: free; reads no real rows.
    """
    from safetensors.numpy import load as arrays_from_bytes  # see `save`

    here = Path(folder)
    try:
        arrays = (here / ARRAYS).read_bytes()
        card = Card.model_validate_json((here / CARD).read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigError(
            refusal(what=f"model folder {here}", must=f"hold {ARRAYS} and {CARD}", got="no such file", fix="fit first")
        ) from error
    except ValidationError as error:
        raise CheckError(_damaged(here / CARD, "something else")) from error
    if hashlib.sha256(arrays).hexdigest() != card.sha256:
        raise CheckError(_damaged(here / ARRAYS, "other bytes than its card names"))
    return Artifact(
        engine=card.engine,
        private=card.private,
        seed=card.seed,
        schema=card.public_schema,
        ledger=json.dumps(card.ledger),
        state=ModelState(arrays=arrays_from_bytes(arrays), meta=json.dumps(card.state)),
    )


def _damaged(path: Path, got: str) -> str:
    return refusal(
        what=f"model file {path}",
        must="be as it was saved",
        got=got,
        fix="take the folder from its source once more, or fit again",
    )
