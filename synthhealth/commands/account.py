"""Account and proof: what was spent, audits, keys, signatures, checks of a release."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from synthhealth.commands.options import HERE, ConfigFile, Json, Quiet, show


def ledger(*, config: ConfigFile = HERE, json: Json = False) -> None:
    """What this population has spent, and what is left."""
    from synthhealth import pipeline
    from synthhealth.config import Config

    show(pipeline.ledger(Config.load(config)), json=json)


def audit(
    *,
    config: ConfigFile = HERE,
    canaries: Annotated[int, typer.Option(min=100, help="Patients planted to be looked for.")] = 2000,
    runs: Annotated[int, typer.Option(min=16, help="Fits of each tiny world.")] = 16,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Try the engine against its own claim, with canaries; reads no rows. Exit code 5: the claim is falsified."""
    from synthhealth.audit import page, verdict
    from synthhealth.config import Config
    from synthhealth.progress import shown

    _ = page  # the audit's screen registers itself
    with shown(silent=quiet) as progress:
        result = verdict.audit(Config.load(config), canaries=canaries, runs=runs, progress=progress)
    show(result, json=json)
    raise typer.Exit(result.exit_code)


def verify(
    folder: Annotated[Path, typer.Argument(help="A release folder.")],
    *,
    key: Annotated[
        list[Path] | None, typer.Option(help="A public key that came over another channel; any other then fails.")
    ] = None,
    account: Annotated[
        Path | None, typer.Option(help="The population's ledger (inside the institution): it must hold these runs.")
    ] = None,
    account_key: Annotated[Path | None, typer.Option(help="The file with the secret that signs the ledger.")] = None,
    json: Json = False,
) -> None:
    """Check a release offline: hashes, signatures, epsilon, odds, verdict. Exit code 5: a check fails; 6: unsigned."""
    from synthhealth.reporting import verify as verify_release

    trusted = () if key is None else tuple(key)
    result = verify_release(folder, trusted=trusted, account=account, account_key=account_key)
    show(result, json=json)
    raise typer.Exit(result.exit_code)


def sign(
    folder: Annotated[Path, typer.Argument(help="A release folder.")],
    *,
    role: Annotated[str, typer.Option(help="One of the roles that the policy asks for.")],
    name: Annotated[str, typer.Option(help="The person who signs.")],
    key: Annotated[Path, typer.Option(help="The person's Ed25519 key (PEM).")],
    months: Annotated[int, typer.Option(min=1, max=36, help="For how long.")] = 12,
    decline: Annotated[bool, typer.Option("--decline", help="Put on record that the person does not sign.")] = False,
    json: Json = False,
) -> None:
    """Sign a release for one role; set SYNTHHEALTH_KEY_PASSWORD for a key that has one."""
    from synthhealth.reporting import sign as sign_release

    secret = os.environ.get("SYNTHHEALTH_KEY_PASSWORD")
    show(
        sign_release(
            folder,
            role=role,
            name=name,
            key=key,
            months=months,
            declined=decline,
            password=None if secret is None else secret.encode(),
        ),
        json=json,
    )


def key(path: Annotated[Path, typer.Argument(help="Where the key will stand.")], *, json: Json = False) -> None:
    """Make a signing key for one person."""
    from synthhealth.reporting import make_key

    show(make_key(path), json=json)
