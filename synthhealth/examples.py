"""One line to copy for each command, shown at the end of its help."""

from __future__ import annotations

from collections.abc import Mapping

EXAMPLES: Mapping[str, str] = {
    "demo": "synthhealth demo --cohort simulated --epsilon 1",
    "init": "synthhealth init my-project --tests dictionary.csv",
    "run": "synthhealth run --config synthhealth.toml",
    "check": "synthhealth check --json",
    "plan": "synthhealth plan --epsilon 1 --engine marginal",
    "fit": "synthhealth fit --quiet",
    "sample": "synthhealth sample --to women --patients 1000 --where sex=F --where age=60..80",
    "evaluate": "synthhealth evaluate --json",
    "attack": "synthhealth attack --full",
    "quality": "synthhealth quality --config synthhealth.toml",
    "report": "synthhealth report",
    "convert": "synthhealth convert --from out/release --to out/fhir --format fhir --validate",
    "simulate": "synthhealth simulate --scenario sepsis --patients 1000 --to sepsis",
    "ledger": "synthhealth ledger --config synthhealth.toml",
    "audit": "synthhealth audit --canaries 2000",
    "benchmark": "synthhealth benchmark --cohort nafld --epsilon 1 --epsilon 3 --synthetic ctgan=out/ctgan",
    "verify": "synthhealth verify out/release --key officer.pub",
    "sign": 'synthhealth sign out/release --role "data protection officer" --name "A. Person" --key officer.pem',
    "key": "synthhealth key officer.pem",
}


def example_of(command: str) -> str | None:
    """The last lines of a command's help, None for a command without an example."""
    return f"Example: [bold]{EXAMPLES[command]}[/]" if command in EXAMPLES else None
