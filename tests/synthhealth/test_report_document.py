from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest
from pydantic import ValidationError
from report_evidence import evidence, plan, standing

from privacy.accounting import epsilon_of
from privacy.errors import CheckError
from synthhealth.report import ComplianceReport
from synthhealth.report.account import Account
from synthhealth.report.canonical import canonical
from synthhealth.report.document import InternalDocument, ReleaseDocument, internal_schema, release_schema
from synthhealth.report.texts import Measured, clauses, hazards, texts

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@lru_cache(maxsize=1)
def report() -> ComplianceReport:
    return ComplianceReport.of(evidence())


def scopes(node: object) -> set[str]:
    """Every value that a field called `scope` can take anywhere in a JSON Schema."""
    found: set[str] = set()
    if isinstance(node, dict):
        scope = node.get("properties", {}).get("scope") if isinstance(node.get("properties"), dict) else None
        if isinstance(scope, dict):
            found |= set(scope.get("enum", [scope.get("const")]))
        for value in node.values():
            found |= scopes(value)
    elif isinstance(node, list):
        for value in node:
            found |= scopes(value)
    return found


def closed(node: object) -> bool:
    """Whether every object of a JSON Schema refuses unknown keys."""
    if isinstance(node, dict):
        if "properties" in node and node.get("additionalProperties") is not False:
            return False
        return all(closed(value) for value in node.values())
    return all(closed(value) for value in node) if isinstance(node, list) else True


@pytest.mark.parametrize(("name", "now"), [("release", release_schema()), ("internal", internal_schema())])
def test_published_schema_is_the_one_in_force(name: str, now: str):
    assert (REFERENCE / f"report-{name}.schema.json").read_text(encoding="utf-8") == now


def test_release_schema_has_no_place_for_exact_numbers():
    schema = json.loads(release_schema())
    assert scopes(schema) == {"public", "dp_charged"}
    assert "internal_exact" not in release_schema()
    assert "internal_exact" in scopes(json.loads(internal_schema()))


def test_release_schema_is_closed():
    assert closed(json.loads(release_schema()))


def test_an_exact_number_is_refused_in_the_release_edition():
    told = json.loads(report().release.model_dump_json())
    told["quality"][0]["scope"] = "internal_exact"
    with pytest.raises(ValidationError, match="scope"):
        ReleaseDocument.model_validate(told)
    told = json.loads(report().release.model_dump_json())
    told["common"]["promise"]["epsilon"]["scope"] = "internal_exact"
    with pytest.raises(ValidationError, match="scope"):
        ReleaseDocument.model_validate(told)


def test_the_internal_edition_is_no_release_edition():
    with pytest.raises(ValidationError):
        ReleaseDocument.model_validate_json(canonical(report().internal))
    with pytest.raises(ValidationError):
        InternalDocument.model_validate_json(canonical(report().release))


@pytest.mark.parametrize("key", ["note", "seed", "n"])
def test_unknown_keys_are_refused(key: str):
    told = json.loads(report().release.model_dump_json())
    told["common"]["promise"][key] = 1
    with pytest.raises(ValidationError, match=key):
        ReleaseDocument.model_validate(told)


def test_numbers_must_be_finite():
    told = json.loads(report().release.model_dump_json())
    told["common"]["promise"]["epsilon"]["value"] = float("nan")
    with pytest.raises(ValidationError, match="finite"):
        ReleaseDocument.model_validate(told)


@pytest.mark.parametrize("document", [report().release, report().internal], ids=["release", "internal"])
def test_canonical_json_is_a_fixed_point(document: ReleaseDocument | InternalDocument):
    content = canonical(document)
    assert canonical(type(document).model_validate_json(content)) == content
    assert b"\n" not in content


def test_prices_are_computed_here_and_not_believed():
    told = json.loads(evidence().ledger_json)
    told["guarantee"]["epsilon"] = 0.1
    told["guarantee"]["profile"] = [[0.0, 0.0]]
    account = Account.read(json.dumps(told).encode())
    assert account.epsilon == pytest.approx(epsilon_of(plan().events, 1e-6))


def test_a_broken_ledger_is_refused():
    for content in (b"{}", b"no json", evidence().ledger_json.replace(b"spent", b"spend")):
        with pytest.raises(CheckError, match=r"ledger\.json"):
            Account.read(content)


def test_charges_that_were_not_reached_stand_in_the_ledger_too():
    told = json.loads(evidence().ledger_json)
    told["spent"] = ["one-way tables"]
    lines = Account.read(json.dumps(told).encode()).lines()
    assert [line.state for line in lines] == ["spent", "charged, not reached"]
    assert lines[1].epsilon_running == pytest.approx(epsilon_of(plan().events, 1e-6), rel=1e-5)


def test_running_total_is_joint_not_a_sum():
    lines = report().release.common.ledger.lines
    assert lines[-1].epsilon_running < sum(line.epsilon_alone for line in lines)
    assert [line.epsilon_running for line in lines] == sorted(line.epsilon_running for line in lines)


def test_population_holds_broken_off_runs():
    total = report().release.common.population
    assert total is not None
    assert [run.state for run in total.runs] == ["aborted", "reserved"]
    assert total.epsilon == pytest.approx(standing().spent, rel=1e-5)
    assert total.left_epsilon == pytest.approx(10.0 - total.epsilon, rel=1e-5)


def test_report_expires_no_later_than_its_policy():
    header = report().release.common.header
    assert header.created_on == "2026-11-22"
    assert header.expires_on == "2027-11-22"


def test_clause_map_names_source_date_and_how_it_was_verified():
    rows = clauses(frozenset())
    assert len({row.id for row in rows}) == len(rows) >= 30
    for row in rows:
        assert row.verified_how in {"primary text read", "secondary source only", "not verified"}
        assert row.verified_on == "2026-11-22"
        assert row.link.startswith("#")
    wanted = ("164.514", "GDPR", "WP216", "EDPB", "ICO", "EMA", "1798.148", "AI Act", "EHDS", "27559", "800-226")
    told = " ".join(row.source + row.clause for row in rows)
    assert [word for word in wanted if word not in told] == []


def test_a_clause_whose_check_was_not_measured_waits_for_a_person():
    rows = {row.id: row.status for row in clauses(frozenset({"linkability"}))}
    assert rows["WP216-2"] == "awaiting a person"
    assert rows["WP216-1"] == "measured"


def test_every_hazard_is_answered():
    assert [row.id for row in hazards("vae", ALL)] == [f"{k:02d}" for k in range(1, 25)]
    assert all(row.answer for row in hazards("vae", ALL))


ALL: frozenset[Measured] = frozenset({"guarantee", "attacks", "fidelity", "fairness"})


@pytest.mark.parametrize(("engine", "status"), [("vae", "open"), ("vae-dpsgd", "open"), ("marginal", "by design")])
def test_nobody_claims_a_comparison_of_engines_that_was_not_made(engine: str, status: str):
    row = next(hazard for hazard in hazards(engine, ALL) if hazard.id == "17")
    assert row.status == status
    assert ("Not compared" in row.answer) is (status == "open")


def test_what_was_not_measured_is_not_called_measured():
    rows = {row.id: row for row in hazards("vae", frozenset({"guarantee"}))}
    assert {name for name, row in rows.items() if row.answer.startswith("Not measured")} == {"10", "12", "15"}
    assert {rows[name].status for name in ("10", "12", "15")} == {"open"}
    bare = ComplianceReport.of(replace(evidence(), findings=()))
    assert {row.id for row in bare.release.common.hazards if row.status == "open"} == {"10", "12", "15", "17"}
    assert {row.id for row in ComplianceReport.of(evidence()).release.common.hazards if row.status == "open"} == {
        "10", "17",
    }  # fmt: skip


def test_every_role_a_policy_can_ask_for_has_a_sentence():
    roles = ("data_controller", "privacy_officer", "hipaa_expert", "data_steward", "security_officer", "ethics_board")
    assert [box.role for box in texts().boxes(roles)] == list(roles)
