"""Writes the report of hand-made evidence, with a dashboard of simulated patients, to be looked at in a browser."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from report_evidence import evidence

from evaluation.portrait import portrait
from synthhealth.generators.simulator import simulate
from synthhealth.report import ComplianceReport

if __name__ == "__main__":
    drawn = portrait(simulate(2_000, seed=1), simulate(2_000, seed=2))
    ComplianceReport.of(replace(evidence(), portrait=drawn)).write(Path(sys.argv[1]), pdf=False)
