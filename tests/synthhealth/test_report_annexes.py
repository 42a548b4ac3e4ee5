from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import lru_cache

import pytest
from report_evidence import evidence

from synthhealth.report import ComplianceReport
from synthhealth.report.annexes import ANNEXES, annexes
from synthhealth.report.evidence import EngineFacts, Evidence, Recipient

DIGEST = "ab" * 32


def drawn(given: Evidence) -> dict[str, str]:
    return {annex.path: annex.text for annex in annexes(ComplianceReport.of(given).release, digest=DIGEST)}


@lru_cache(maxsize=1)
def usual() -> dict[str, str]:
    return drawn(evidence())


def cells(text: str) -> dict[str, str]:
    """The two-column rows of the Markdown tables."""
    return dict(re.findall(r"^\| ([^|]+?) \| ([^|]*?) \|$", text, re.MULTILINE))


def keys(text: str) -> dict[str, str]:
    """The last value of each key of a flat reading of the YAML."""
    return {m[1]: m[2] for m in re.finditer(r"^\s*([a-z_]+): (.*)$", text, re.MULTILINE)}


def test_every_annex_is_drawn_and_names_the_report():
    assert tuple(usual()) == ANNEXES
    for path in ("annexes/dpia.md", "annexes/expert-determination.md", "annexes/datasheet.md"):
        assert DIGEST in usual()[path]


def test_registry_record_has_the_fields_of_the_registry():
    record = usual()["annexes/opendp-registry.yaml"]
    wanted = {
        "name", "data_curators", "intended_use", "data_product_type", "publication_date", "data_domain",
        "unprotected_quantities", "privacy_unit", "epsilon", "delta", "model_name", "release_type", "access_type",
        "post_processing", "composition", "pre_processing_eda_hyperparameter_tuning", "mechanisms", "justification",
    }  # fmt: skip
    assert wanted <= set(keys(record))
    assert float(keys(record)["epsilon"]) == pytest.approx(3.3369, abs=1e-4)
    # YAML 1.1 reads 1e-06 as text, 1.0e-06 as a number.
    assert keys(record)["delta"] == "1.0000e-06"
    assert "\t" not in record


def test_registry_record_cannot_be_broken_by_a_name():
    nasty = 'ward "7": # no\n- comment'
    record = drawn(replace(evidence(), release_name=nasty))["annexes/opendp-registry.yaml"]
    line = next(row for row in record.splitlines() if row.startswith("    name:"))
    assert json.loads(line.removeprefix("    name: ")) == nasty


def test_assessment_leaves_to_people_what_is_theirs():
    text = usual()["annexes/dpia.md"]
    assert cells(text)["Legal basis, Art. 6 and Art. 9(2)"] == "**to be stated by the controller**"
    assert "Decision of the controller: ____" in text
    assert "most 64 are right" in text
    assert "Total epsilon: review" in text


def test_a_name_stays_in_its_cell():
    given = replace(evidence(), recipient=Recipient(tier="named", name="x | y\n| z", purpose="a | b"))
    assert "| Purpose | a \\| b |" in drawn(given)["annexes/dpia.md"]
    assert "| Recipient | x \\| y \\| z (" in drawn(given)["annexes/dpia.md"]


def test_expert_file_has_method_results_and_the_sentence():
    text = usual()["annexes/expert-determination.md"]
    for words in ("## Methods", "## Results", "PRV (Opacus)", "Linkability", "> Applying generally accepted"):
        assert words in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({line.count("|") for line in rows}) == 1


def test_an_engine_without_privacy_has_no_epsilon_in_any_annex():
    bare = drawn(replace(evidence(), engine=EngineFacts(name="vae-nonprivate", private=False), population=None))
    assert keys(bare["annexes/opendp-registry.yaml"])["epsilon"] == "null"
    assert "No differential privacy" in bare["annexes/expert-determination.md"]
    assert "Guarantee" not in cells(bare["annexes/datasheet.md"])


def test_bill_of_materials_names_every_program():
    bill = json.loads(usual()["annexes/sbom.cdx.json"])
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert {c["purl"] for c in bill["components"]} == {
        "pkg:pypi/synthhealth@0.1.0", "pkg:pypi/torch@2.13.0", "pkg:pypi/dp-accounting@0.6.0",
    }  # fmt: skip


def test_crate_links_what_it_names():
    crate = json.loads(usual()["ro-crate-metadata.json"])
    nodes = {node["@id"]: node for node in crate["@graph"]}
    action = nodes["#generation"]
    named = [action["object"], *action["instrument"], *action["result"], *nodes["./"]["hasPart"]]
    assert [link["@id"] for link in named if link["@id"] not in nodes] == []
    assert nodes["patients.csv"]["sha256"] == "ab" * 32
    assert nodes["report.json"]["sha256"] == DIGEST
