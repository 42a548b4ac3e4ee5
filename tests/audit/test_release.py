"""What the release edition tells of exact numbers: nothing finer than its steps, and no word of its own."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from report_evidence import evidence

from synthhealth.report.account import Account
from synthhealth.report.assemble import disclose, internal_document, release_document
from synthhealth.report.canonical import canonical

COARSEST = 0.005  # the release's steps are multiples of it


def test_no_exact_metric_is_in_the_release_edition():
    given = evidence()
    findings = tuple(
        replace(one, reason="the exact number is 31337", detection_limit="31337 patients", n=31337)
        for one in given.findings
    )
    account = Account.read(given.ledger_json)
    whole = replace(given, findings=findings)
    release = release_document(disclose(whole, account), account)
    inside, outside = canonical(internal_document(whole, release)).decode(), canonical(release).decode()
    for exact in ("31337", "0.5078", "0.4931", "0.0312"):
        assert exact in inside
        assert exact not in outside
    measures = [measure for row in release.common.attacks for measure in row.measures]
    assert measures
    for measure in measures:
        assert Decimal(str(measure.low)) % Decimal(str(COARSEST)) == 0
        assert Decimal(str(measure.high)) % Decimal(str(COARSEST)) == 0
