"""What `audit` shows on the screen."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from synthhealth.audit.answer import FALSIFIED, HOLDS, POWERLESS, Audited
from synthhealth.page import fact_grid, headed, ruled_table
from synthhealth.screens import screen

_SPOKEN = {
    FALSIFIED: Text("FALSIFIED: the code does not keep what the ledger says; treat it as a bug", style="bold red"),
    POWERLESS: Text(
        "no power: a planted leak was missed, so the audit says nothing; try more canaries", style="yellow"
    ),
    HOLDS: Text("not falsified, and a planted leak was found out", style="green"),
}

_NUMBERS = ("FPR", "FNR", "proven", "ceiling", "estimate", "from", "to")


@screen.register
def _audited(result: Audited) -> RenderableType:
    facts = fact_grid(
        ("audited", f"{result.audited}, with {result.canaries:,} canaries; no row was read"),
        ("claimed", f"epsilon {result.claimed:.4g} of the plan's {result.epsilon:.4g}, at delta {result.delta:g}"),
        ("chance of a false alarm", f"{result.alpha:.0%} at most for each test"),
    )
    tests = ruled_table("canaries", "FPR", "FNR", "proven", "ceiling", "estimate", "from", "to", "", numbers=_NUMBERS)
    for line in result.tests:
        tests.add_row(
            line.who,
            f"{line.fpr:.3f}",
            f"{line.fnr:.3f}",
            f"{line.proven:.2f}",
            f"{line.ceiling:.2f}",
            f"{line.estimate:.2f}",
            f"{line.low:.2f}",
            f"{line.high:.2f}",
            "falsifies" if line.falsified else "holds",
        )
    tests.caption = (
        "epsilons; proven: without any assumption; ceiling: the most that so few canaries could prove; "
        "estimate: of a Gaussian mechanism, with its interval; planted leak: patients who come and go by threes"
    )
    tests.caption_style, tests.caption_justify = "dim", "left"
    worlds = ruled_table(
        "tiny worlds, one patient apart", "runs", "compared", "in one only", numbers=("runs", "compared")
    )
    for found in result.scans:
        only = "; ".join(found.suspects) if found.suspects else "nothing"
        worlds.add_row(found.patient, f"{found.runs}", f"{found.events}", only)
    return headed("audit", f"engine {result.engine}", facts, tests, worlds, _SPOKEN[result.verdict])
