"""The twenty checks of a sceptical privacy officer, one test each, in the order in which such a person makes them."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import date
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from audit.tape import SIZE, fitted, plan_of, small_engine
from command import Command
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dp_accounting import ComposedDpEvent, DpEvent, GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent
from dp_accounting.pld.pld_privacy_accountant import PLDAccountant
from forbidden_words import said
from lab_cohorts import SCHEMA, lab_cohort
from report_bundle import TODAY, broken, edit, rehash, signer
from report_evidence import OWNED, attack, estimate, evidence
from tiny_project import CONFIG, lay_out, quick_attack, stand_in

from evaluation.attacks import distances, duplicates
from evaluation.attacks.calls import Call
from evaluation.attacks.planted import renamed
from evaluation.attacks.suite import examine
from evaluation.exhibit import Exhibit
from evaluation.finding import Family, Finding, Verdict
from privacy.budget import Budget
from privacy.chain import locked
from privacy.cohort import Cohort
from privacy.errors import BudgetError, ConfigError
from privacy.population import Population
from privacy.schema import Schema
from synthhealth import pipeline
from synthhealth.config import Config
from synthhealth.io.csv_files import write_csv
from synthhealth.report import ComplianceReport
from synthhealth.report.document import ReleaseDocument
from synthhealth.report.dsse import load_key
from synthhealth.report.evidence import Audit, EngineFacts
from synthhealth.report.judge import effective_tier
from synthhealth.report.render import render_internal, render_release
from synthhealth.report.signing import read_document, sign
from synthhealth.report.verification import FAILED, OPEN, VERIFIED, verify
from synthhealth.spending import population_of
from synthhealth.synthesizer import Synthesizer

ROOT = Path(__file__).parents[2]
ODD = 231
COPIES = (Call(attacks=duplicates.PATIENTS, measure=duplicates.patients),)
NEAR = (Call(attacks=distances.ATTACKS, measure=distances.measure),)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, PDF included, of a table with a number of patients that stands nowhere else."""
    folder = tmp_path_factory.mktemp("checked")
    config = Config.load(lay_out(folder))
    tables = {"patients": folder / "patients.csv", "labs": folder / "labs.csv"}
    write_csv(Cohort.read(Schema.load(folder / "schema.toml"), **tables).take(np.arange(ODD)), **tables)
    with pytest.MonkeyPatch.context() as patch:
        stand_in(patch, pdf=True)
        pipeline.run(config)
    return folder


@pytest.fixture
def copy(project: Path, tmp_path: Path) -> Path:
    """The same project, to be spoilt."""
    return shutil.copytree(project, tmp_path / "project")


@pytest.fixture
def signed(copy: Path) -> Path:
    """Its release, signed by every role that the policy asks for."""
    release, key = copy / "out" / "release", Ed25519PrivateKey.generate()
    for box in read_document(release).common.sign_off:
        sign(release, signer(box.role), key, pdf=False)
    return release


def refused(folder: Path, **given: Path) -> str:
    """What verify says of the checks that fail; it must fail."""
    result = verify(folder, today=TODAY, **given)
    assert result.exit_code == FAILED
    return " ".join(f"{r.name}: {r.detail}" for r in result.results if not r.holds)


def judged(*findings: Finding) -> ReleaseDocument:
    return ComplianceReport.of(replace(evidence(), findings=findings)).release


def outcomes(document: ReleaseDocument) -> dict[str, str]:
    return {check.id: check.outcome for check in document.common.verdict.checks}


@pytest.mark.parametrize(
    "name", ["patients.csv", "labs.csv", "report.json", "report.pdf", "report.html", "policy.toml", "ledger.json"]
)
def test_01_one_changed_byte_is_found_and_the_file_is_named(copy: Path, name: str):
    release = copy / "out" / "release"
    content = bytearray((release / name).read_bytes())
    content[len(content) // 2] ^= 1
    (release / name).write_bytes(bytes(content))
    assert name in refused(release)


def test_01_one_changed_byte_of_the_account_is_found(copy: Path):
    account = copy / "ledger.jsonl"
    content = bytearray(account.read_bytes())
    content[len(content) // 2] ^= 1
    account.write_bytes(bytes(content))
    assert "ledger.jsonl" in refused(copy / "out" / "release", account=account)


def test_02_an_account_without_its_last_line_is_found(copy: Path):
    account, head = copy / "ledger.jsonl", copy / "ledger.jsonl.head"
    assert verify(copy / "out" / "release", today=TODAY, account=account).exit_code == OPEN
    lines = account.read_bytes().splitlines(keepends=True)
    account.write_bytes(b"".join(lines[:-1]))
    assert "ledger.jsonl" in refused(copy / "out" / "release", account=account)
    account.write_bytes(lines[0])
    head.unlink()  # nobody holds a key here, so that whoever cuts the file can spoil this one too
    assert "1 records, the report names 3" in refused(copy / "out" / "release", account=account)


def test_02_another_account_in_its_place_is_found(copy: Path, tmp_path: Path):
    path, config = tmp_path / "ledger.jsonl", Config.load(copy / "synthhealth.toml")
    schema = Schema.load(copy / "schema.toml")
    fresh = Population(path=path, population_id="simulated", ceiling=population_of(config, schema).ceiling)
    stand = Synthesizer(schema, budget=Budget(epsilon=0.1, delta=1e-5), engine="marginal")
    fresh.reserve("cheap", stand.plan())
    fresh.finish("cheap")
    with locked(path) as chain:
        assert len(chain.records) == 3
    assert "record 3 is another one than the report names" in refused(copy / "out" / "release", account=path)


def test_03_no_output_says_what_nobody_can_know(project: Path):
    files = [p for p in (project / "out").rglob("*") if p.suffix in (".json", ".html", ".txt", ".md", ".toml", ".yaml")]
    assert len(files) >= 14
    assert {path.name: said(path.read_text(encoding="utf-8")) for path in files} == {path.name: [] for path in files}


def test_04_without_privacy_there_is_no_epsilon_and_no_pass():
    bare = replace(evidence(), engine=EngineFacts(name="vae-nonprivate", private=False), population=None)
    document = ComplianceReport.of(bare).release
    assert (document.common.promise.epsilon, document.common.promise.profile, document.common.odds) == (None, (), None)
    assert document.common.verdict.outcome == "fail"
    page = render_release(document, digest="0" * 64)
    assert 'data-at="/common/promise/epsilon' not in page
    assert "Nothing." in page


def test_05_a_run_that_was_broken_off_stays_charged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stand_in(monkeypatch)
    config = Config.load(lay_out(tmp_path))

    def breaks_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tiny_engine.TinyEngine.fit", breaks_off)
        with pytest.raises(KeyboardInterrupt):
            pipeline.fit(config)
    pipeline.fit(config)
    account = pipeline.ledger(config)
    assert [run.state for run in account.entries] == ["aborted", "finished"]
    assert account.population.epsilon > max(run.epsilon for run in account.entries)


def test_06_another_extract_of_the_same_people_goes_on_the_same_account(copy: Path, monkeypatch: pytest.MonkeyPatch):
    stand_in(monkeypatch)
    before = pipeline.ledger(Config.load(copy / "synthhealth.toml")).population.epsilon
    table = pd.read_csv(copy / "patients.csv", dtype=str)
    table.iloc[0, 1:] = table.iloc[1, 1:]
    table.to_csv(copy / "patients.csv", index=False)
    (copy / "synthhealth.toml").write_text(CONFIG + 'out = "again"\n')
    config = Config.load(copy / "synthhealth.toml")
    pipeline.fit(config)
    pipeline.sample(config)
    pipeline.report(config)
    total = read_document(copy / "again" / "release").common.population
    assert total is not None
    assert len(total.runs) == 2
    assert total.epsilon > before
    (copy / "synthhealth.toml").write_text(CONFIG.replace("epsilon = 2", "epsilon = 4.5") + 'out = "third"\n')
    with pytest.raises(BudgetError, match="what remains"):
        pipeline.fit(Config.load(copy / "synthhealth.toml"))


def test_07_a_patient_with_many_rows_is_capped_and_costs_the_same(
    six_schema: Schema, six_tables: tuple[pd.DataFrame, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
):
    patients, labs = six_tables
    many = labs.loc[labs.index.repeat((labs["patient_id"] == "c") * 499 + 1)].reset_index(drop=True)
    cap = six_schema.privacy_unit.max_records
    sizes = np.bincount(Cohort.of(six_schema, patients, many).bound_records(key=b"key").records.owner)
    assert sizes.max() == cap == 4
    stand_in(monkeypatch)
    spent = []
    for table in (labs, many):
        synthesizer = Synthesizer(six_schema, budget=Budget(epsilon=3, delta=1e-6), engine="marginal")
        spent.append(synthesizer.fit(patients, table, run_id="same").to_json())
    assert spent[0] == spent[1]
    told = [row.assumption for row in ComplianceReport.of(evidence()).release.common.assumptions]
    assert any("a patient under two ids counts as two" in line for line in told)


@pytest.mark.parametrize("sizes", [(320, 321), (309, 310)])
def test_08_one_patient_less_changes_neither_rate_nor_steps_nor_noise_nor_price(sizes: tuple[int, int]):
    engine = small_engine("vae-dpsgd", SCHEMA)
    one = fitted(engine, lab_cohort(sizes[0], 1))
    # with the same noisy releases in hand everything else must be the same, too
    other = fitted(engine, lab_cohort(sizes[1], 1), given=one.tape)
    assert (one.tape.terms, one.spent, one.lines) == (other.tape.terms, other.spent, other.lines)
    assert plan_of(engine).cohort_size == engine.cohort_size == SIZE  # the public figure, whatever came


def by_hand(told: dict[str, float | str]) -> DpEvent:
    """An event as the report prints it, put into another library's words without our code."""
    if told["kind"] == "SampledGaussian":
        step = PoissonSampledDpEvent(float(told["sample_rate"]), GaussianDpEvent(float(told["noise_multiplier"])))
        return SelfComposedDpEvent(step, int(told["steps"]))
    assert told["kind"] == "DiscreteGaussian"
    return GaussianDpEvent(float(told["sigma"]) / math.sqrt(float(told["count"])))


def test_09_epsilon_can_be_computed_again_from_what_is_printed():
    document = ComplianceReport.of(evidence()).release
    accountant = PLDAccountant()
    events = [by_hand(json.loads(line.event)) for line in document.common.ledger.lines]
    accountant.compose(ComposedDpEvent(events))
    promise = document.common.promise
    assert promise.epsilon is not None
    assert promise.delta is not None
    assert promise.epsilon.value == pytest.approx(accountant.get_epsilon(promise.delta.value), rel=0.02)
    assert promise.practices.poisson_sampling
    assert "Sampler matches the accounting (Poisson)" in render_release(document, digest="0" * 64)


def test_10_what_one_patient_alone_has_shows_up_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):  # noqa: ANN001
    stand_in(monkeypatch)
    config = lay_out(tmp_path)
    for name, column, word in (("patients.csv", "sex", "RAREWORD"), ("labs.csv", "value", "98765.4321")):
        table = pd.read_csv(tmp_path / name, dtype=str)
        table.loc[0, column] = word
        table.to_csv(tmp_path / name, index=False)
    answer = Command(monkeypatch, capsys)("run", "--config", config)
    assert answer.code == 0, answer.err
    told = [path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file() and path.parent != tmp_path]
    told += [(tmp_path / "ledger.jsonl").read_bytes(), (answer.out + answer.err).encode()]
    assert len(told) > 20
    for word in (b"RAREWORD", b"98765.4"):  # with its point, which no hash has
        assert not any(word in text for text in told)


def test_11_the_release_tells_no_count_path_user_seed_of_noise_or_loss(project: Path):
    release = project / "out" / "release"
    for path in (p for p in release.rglob("*") if p.suffix in (".json", ".html", ".txt", ".md", ".yaml")):
        text = re.sub(r"[0-9a-f]{16,}", "", path.read_text(encoding="utf-8"))
        assert not re.search(rf"(?<![\d.]){ODD}(?![\d.%])", text), path.name
        for trace in (str(project), project.name, os.uname().nodename, "/root", "/home/"):
            assert trace not in text, f"{path.name} holds {trace!r}"
    keys = set(
        re.findall(r'"([a-z_]+)":', (release / "report.json").read_text() + (release / "ledger.json").read_text())
    )
    assert not keys & {"seed", "noise_seed", "loss", "losses", "rng"}
    assert "noise_seed_kept" in keys  # the report says that none is


def test_12_a_planted_leak_is_found_and_fails():
    train, holdout, reference = (lab_cohort(200, seed) for seed in range(3))
    exhibit = Exhibit.of(train, holdout, renamed(train), reference=reference)
    findings = examine(exhibit, COPIES)
    assert {f.verdict for f in findings if f.test == "exact-duplicates"} == {Verdict.LEAK}
    document = judged(*findings)
    assert document.common.verdict.outcome == "fail"
    assert outcomes(document)["copies"] == "fail"


@pytest.mark.parametrize("word", [Verdict.NO_POWER, Verdict.INVALID, Verdict.INCONCLUSIVE])
def test_12_an_attack_that_misses_a_planted_leak_never_passes(word: Verdict):
    blind = attack(Family.MEMBERSHIP, "blind", estimate("AUC", 0.49, 0.5, 0.51), verdict=word)
    document = judged(blind)
    assert outcomes(document)["membership"] in ("review", "not_measured")
    assert document.common.verdict.outcome != "pass"


def test_13_a_claim_of_a_tenth_on_the_noise_of_eight_does_not_stand(copy: Path):
    given = evidence()
    cheap = given.ledger_json.replace(b'"noise_multiplier": 1.15', b'"noise_multiplier": 0.55')
    told = json.loads(cheap)
    told["budget"]["epsilon"] = told["guarantee"]["epsilon"] = 0.1
    document = ComplianceReport.of(replace(given, ledger_json=json.dumps(told).encode(), population=None)).release
    assert document.common.promise.epsilon is not None
    assert document.common.promise.epsilon.value > 5  # priced from the noise, whatever the file claims
    found = Audit(epsilon_lower=0.4, epsilon_ceiling=5.0, profile_falsified=True, planted_caught=True, canaries=500)
    stopped = ComplianceReport.of(replace(given, audit=found)).release
    assert stopped.common.verdict.outcome == "fail"
    edit(copy / "out" / "release" / "report.json", '"epsilon":2', '"epsilon":0')
    rehash(copy / "out" / "release")
    refused(copy / "out" / "release")


def test_14_twenty_patients_are_not_measurable():
    few = [lab_cohort(20, seed) for seed in range(4)]
    exhibit = Exhibit.of(few[0], few[1], renamed(few[2]), reference=few[3])
    findings = examine(exhibit, (*COPIES, *NEAR))
    assert {f.verdict for f in findings if f.family is not Family.DISTANCE} <= {Verdict.NOT_MEASURABLE}
    assert any("at least 100 patients" in f.reason for f in findings)
    document = judged(*findings)
    assert "pass" not in {outcome for name, outcome in outcomes(document).items() if name in ("membership", "copies")}
    assert document.common.verdict.outcome != "pass"
    assert document.common.odds is not None  # the ceiling stands there all the same
    assert "no attack" in render_release(document, digest="0" * 64)


def test_15_the_worst_group_has_its_own_line_with_an_interval():
    train, holdout, reference, fresh = (lab_cohort(600, seed) for seed in range(4))
    findings = examine(Exhibit.of(train, holdout, renamed(fresh), reference=reference), NEAR)
    worst = [e for f in findings for e in f.others if "worst group" in e.name.lower()]
    assert len(worst) > 0
    assert all(e.interval is not None for e in worst if e.value is not None)
    report = ComplianceReport.of(replace(evidence(), findings=findings))
    assert "worst group" in render_internal(report.internal, digest="0" * 64)


def test_16_two_releases_are_attacked_together_and_paid_for_together(copy: Path, monkeypatch: pytest.MonkeyPatch):
    stand_in(monkeypatch)
    seen: list[tuple[set[str], set[str], int]] = []

    def watched(train: Cohort, holdout: Cohort, synthetic: Cohort, **given: object) -> tuple[Finding, ...]:
        seen.append((set(train.ids), set(holdout.ids), len(synthetic)))
        return quick_attack(train, holdout, synthetic, **given)  # type: ignore[arg-type]

    monkeypatch.setattr("evaluation.attacks.suite.attack", watched)
    (copy / "synthhealth.toml").write_text(CONFIG + 'out = "again"\nearlier = ["out"]\n')
    config = Config.load(copy / "synthhealth.toml")
    for step in (pipeline.fit, pipeline.sample, pipeline.attack, pipeline.report):
        step(config)
    alone, joint = seen
    assert joint[0] > alone[0]  # whoever one of them has learnt from
    assert joint[1] < alone[1]
    assert joint[0] | joint[1] == alone[0] | alone[1]
    assert (alone[2], joint[2]) == (150, 300)
    common = read_document(copy / "again" / "release").common
    first = read_document(copy / "out" / "release").common
    assert [one.report_id for one in common.together] == [first.header.report_id]
    assert [row.title for row in common.attacks] == ["guessing", "guessing, 2 releases together"]
    assert common.population is not None
    assert {run.run_id for run in common.population.runs} == {first.ledger.run_id, common.ledger.run_id}
    assert verify(copy / "again" / "release", today=TODAY).exit_code == OPEN


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d[\d,.]*\d|\d", text))


def test_17_every_number_on_page_one_stands_in_the_json():
    document = ComplianceReport.of(evidence()).release
    page = render_release(document, digest="0" * 64)
    first = page[page.index('<section id="summary"') : page.index('<section id="verdict"')]
    assert len(re.findall(r"<data ", first)) >= 5
    loose = unescape(re.sub(r"<[^>]*>", " ", re.sub(r"<data [^>]*>[^<]*</data>", "", first)))
    told = json.loads(document.model_dump_json())
    given = numbers(json.dumps(told)) | numbers(" ".join(f"{value}" for value in _derived(document)))
    constants = {"50", "100", "1", "1,000", "0.5"}  # the coin, the counts out of so many, and its AUC
    assert numbers(loose) - given - constants == set()
    profile = {p.epsilon: p.delta for p in document.common.population.profile}  # type: ignore[union-attr]
    assert document.common.odds is not None
    assert document.common.odds.right_in_100 == math.ceil(50 + 50 * profile[0.0])


def _derived(document: ReleaseDocument) -> list[str]:
    """What page one says of a number in another unit: per cent and counts, rounded against us."""
    odds, total = document.common.odds, document.common.population
    assert odds is not None
    assert total is not None
    strongest = max(
        (m for row in document.common.attacks for m in row.measures if m.name == "auc"), key=lambda m: m.high
    )
    rates = [m for row in document.common.attacks for m in row.measures if m.name.startswith("tpr")]
    shares = [p.posterior for p in odds.posterior] + [c.tpr for row in document.common.attacks for c in row.ceilings]
    return [
        f"{math.ceil(odds.tpr[0].tpr * 1000 - 1e-9)}",
        f"{strongest.low:.2f} {strongest.high:.2f}",
        *(f"{m.low * 100:g} {m.high * 100:g} {float(m.name.split()[-1]) * 100:g}" for m in rates),
        *(f"{math.ceil(share * 1000 - 1e-9) / 10:.1f} {math.ceil(share * 10000 - 1e-9) / 100:.2f}" for share in shares),
        f"{math.ceil(total.left_epsilon * 100 - 1e-9) / 100:.2f} {total.ceiling_epsilon:g} {len(total.runs)}",
        f"{len(document.common.unprotected)} {len(document.common.verdict.reasons)}",
    ]


def test_18_nobody_signs_without_a_key_and_an_edit_voids_the_signature(signed: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="Ed25519"):
        load_key(tmp_path / "none.pem")
    assert verify(signed, today=TODAY).exit_code == VERIFIED
    edit(signed / "report.json", "the registry", "the Registry")
    rehash(signed)
    assert "every signature holds over this report" in broken(verify(signed, today=TODAY))


def test_19_a_report_past_its_date_has_expired(signed: Path):
    result = verify(signed, today=date(2036, 1, 1))
    assert "the report" in result.expired
    assert result.exit_code == OPEN
    assert "expired" in str(result)


def test_19_a_policy_loosened_after_the_run_is_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stand_in(monkeypatch)
    config = Config.load(lay_out(tmp_path, config=CONFIG + 'policy = "policy.toml"\n'))
    (tmp_path / "policy.toml").write_bytes(OWNED.content)
    for step in (pipeline.fit, pipeline.sample, pipeline.report):
        step(config)
    document = read_document(tmp_path / "out" / "release")
    assert outcomes(document)["policy.recorded"] == "pass"
    edit(tmp_path / "policy.toml", "epsilon_pass = 3.0", "epsilon_pass = 9.0")
    pipeline.report(config)
    document = read_document(tmp_path / "out" / "release")
    assert outcomes(document)["policy.recorded"] == "fail"
    assert document.common.verdict.outcome == "fail"


OFFLINE = """
import socket, sys
def refuse(*_, **__): raise OSError("no network")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
sys.argv = ["synthhealth", "verify", sys.argv[1]]
from synthhealth.cli import main
main()
"""


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_20_a_laptop_without_network_is_enough(signed: Path):
    ran = subprocess.run([sys.executable, "-c", OFFLINE, signed], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == VERIFIED, ran.stdout + ran.stderr
    lines = [line.strip() for line in (signed / "VERIFY.txt").read_text().splitlines() if line.startswith("     ")]
    words = [re.sub(r" {3,}\(.*", "", w) for w in lines if re.match(r"(sha256sum|F=|sed|printf|openssl)", w)]
    checked = subprocess.run(["bash", "-ec", "\n".join(words)], cwd=signed, capture_output=True, text=True, check=False)
    assert "Signature Verified Successfully" in checked.stdout


def test_20_the_known_limits_are_written_down():
    limits = (ROOT / "docs" / "known-limitations.md").read_text(encoding="utf-8")
    for words in ("libraries", "small numbers", "that the training really ran"):
        assert words in limits
    assert effective_tier(ComplianceReport.of(evidence()).release.common.header) == "controlled"
