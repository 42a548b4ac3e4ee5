from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import Command
from tiny_project import PATIENTS, lay_out, quick_attack, stand_in

from evaluation.attacks.suite import SUITE
from evaluation.finding import Finding, Verdict
from privacy.cohort import Cohort
from privacy.errors import CheckError, DataError
from synthhealth.config import Config
from synthhealth.findings_file import read_findings
from synthhealth.generators.simulator import simulate
from synthhealth.io.csv_files import write_csv
from synthhealth.other_release import attack_other

LEARNT = 140
Seen = list[tuple[Cohort, Cohort, Cohort]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "project")


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A folder with what another tool has made, and the ids that it was shown."""
    made = simulate(150, seed=8, cohort_size=PATIENTS)
    folder = tmp_path / "other"
    folder.mkdir()
    write_csv(made, patients=folder / "patients.csv", labs=folder / "labs.csv")
    real = pd.read_csv(tmp_path / "project" / "patients.csv", dtype=str) if (tmp_path / "project").exists() else None
    if real is not None:
        real[["patient_id"]].head(LEARNT).to_csv(folder / "members.csv", index=False)
    return folder


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """The cohorts that the suite is given."""
    stand_in(monkeypatch)
    given: Seen = []

    def watching(train: Cohort, holdout: Cohort, synthetic: Cohort, **rest: object) -> tuple[Finding, ...]:
        given.append((train, holdout, synthetic))
        return quick_attack(train, holdout, synthetic, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr("evaluation.attacks.suite.attack", watching)
    return given


def test_the_listed_are_members_and_the_rest_are_held_against_them(project: Path, other: Path, seen: Seen) -> None:
    found = attack_other(
        Config.load(project),
        other / "patients.csv",
        labs=other / "labs.csv",
        members=other / "members.csv",
    )
    train, holdout, synthetic = seen[0]
    assert (len(train), len(holdout), len(synthetic)) == (LEARNT, PATIENTS - LEARNT, 150)
    assert set(train.ids) == set(pd.read_csv(other / "members.csv", dtype=str)["patient_id"])
    assert min(len(one.records) for one in seen[0]) > 0
    kept = Path(found.file)
    assert kept == project.parent / "out" / "internal" / "attack-other.json"
    assert [one.verdict for one in read_findings(kept)] == [Verdict.NO_LEAK_DETECTED]


def test_patients_alone_are_held_against_patients_alone_and_need_no_ids(project: Path, other: Path, seen: Seen) -> None:
    nameless = pd.read_csv(other / "patients.csv", dtype=str).drop(columns="patient_id")
    nameless.to_csv(other / "nameless.csv", index=False)
    attack_other(Config.load(project), other / "nameless.csv", members=other / "members.csv", to=other / "found.json")
    assert [len(one.records) for one in seen[0]] == [0, 0, 0]
    assert len(seen[0][2]) == 150
    assert (other / "found.json").exists()


def test_without_a_list_the_projects_own_split_counts(project: Path, other: Path, seen: Seen) -> None:
    config = Config.load(project)
    with pytest.raises(CheckError, match="--members"):
        attack_other(config, other / "patients.csv")
    key = project.parent / "out" / "internal" / "split.key"
    key.parent.mkdir(parents=True)
    key.write_text("ab" * 32)
    attack_other(config, other / "patients.csv")
    expected = Cohort.read(seen[0][0].schema, patients=config.data.patients).split(0.3, key=b"\xab" * 32)
    assert [set(one.ids) for one in seen[0][:2]] == [set(one.ids) for one in expected]


def test_a_stranger_among_the_members_is_refused_without_a_name(project: Path, other: Path, seen: Seen) -> None:
    pd.DataFrame({"patient_id": ["SECRET77", "S0000001"]}).to_csv(other / "members.csv", index=False)
    with pytest.raises(DataError, match="patients of the patients table") as caught:
        attack_other(Config.load(project), other / "patients.csv", members=other / "members.csv")
    assert "SECRET77" not in str(caught.value)
    assert seen == []


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_nobody_left_on_a_side_is_refused(project: Path, other: Path, share: float) -> None:
    ids = pd.read_csv(project.parent / "patients.csv", dtype=str)[["patient_id"]]
    ids.head(round(share * len(ids))).to_csv(other / "members.csv", index=False)
    with pytest.raises(CheckError, match="leave patients on both sides"):
        attack_other(Config.load(project), other / "patients.csv", members=other / "members.csv")


def test_a_file_that_breaks_a_rule_is_named(project: Path, other: Path) -> None:
    (other / "bad.csv").write_text("colour\nblue\n")
    with pytest.raises(DataError, match=r"bad\.csv") as caught:
        attack_other(Config.load(project), other / "bad.csv", members=other / "members.csv")
    assert "blue" not in str(caught.value)


def test_the_command_line_leads_there(
    project: Path,
    other: Path,
    seen: Seen,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shell = Command(monkeypatch, capsys)
    words = ("attack", "--config", project, "--quiet", "--synthetic", other / "patients.csv")
    answer = shell(*words, "--synthetic-labs", other / "labs.csv", "--members", other / "members.csv")
    assert answer.code == 0, answer.err
    assert "guessing" in answer.out
    assert len(seen) == 1
    assert shell(*words).code == 5
    assert shell(*words[:4], "--members", other / "members.csv").code == 2


def test_copies_made_elsewhere_are_a_leak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.attacks.suite.SUITE", SUITE[:1])
    project = lay_out(tmp_path / "project")
    cohort = simulate(600, seed=4, cohort_size=PATIENTS)
    write_csv(cohort, patients=project.parent / "patients.csv", labs=project.parent / "labs.csv")
    copied = cohort.take(np.arange(300))
    write_csv(copied, patients=tmp_path / "made.csv", labs=tmp_path / "labs.csv")
    copied.patients[["patient_id"]].to_csv(tmp_path / "members.csv", index=False)
    exposed = tmp_path / "exposed.csv"
    found = attack_other(Config.load(project), tmp_path / "made.csv", members=tmp_path / "members.csv", exposed=exposed)
    assert "LEAK" in {one.verdict for one in found.findings}
    named = pd.read_csv(exposed, dtype={"patient_id": str})
    assert set(named["patient_id"]) <= set(copied.ids)
    assert (named["nearest_synthetic"] == 0).all()
    assert exposed.stat().st_mode & 0o077 == 0
