from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from tiny_project import CONFIG, lay_out, stand_in

from privacy.cohort import Cohort
from privacy.schema import Schema
from synthhealth import pipeline
from synthhealth.config import Config
from synthhealth.io.csv_files import write_csv
from synthhealth.split_key import read_key

MOMENT = re.compile(rb"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")
TRACE = "somebody-somewhere"
ODD = 231
SYNTHETIC = ("patients.csv", "labs.csv")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run whose real table has a number of patients that stands nowhere else."""
    folder = tmp_path_factory.mktemp("somebodys-project")
    config = Config.load(lay_out(folder, config=CONFIG))
    tables = {"patients": folder / "patients.csv", "labs": folder / "labs.csv"}
    cohort = Cohort.read(Schema.load(folder / "schema.toml"), **tables)
    write_csv(cohort.take(np.arange(ODD)), **tables)
    with pytest.MonkeyPatch.context() as patch:
        stand_in(patch, pdf=True)
        for asked in ("platform.node", "socket.gethostname", "getpass.getuser"):
            patch.setattr(asked, lambda: TRACE)
        for variable in ("USER", "LOGNAME", "HOSTNAME", "HOME"):
            patch.setenv(variable, TRACE)
        pipeline.run(config)
    return folder


def released(project: Path) -> dict[str, bytes]:
    root = project / "out" / "release"
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_nothing_says_where_or_by_whom_it_was_made(project: Path) -> None:
    for name, content in released(project).items():
        for trace in (str(project), project.name, TRACE):
            assert trace.encode() not in content, f"{name} holds {trace!r}"


def test_nothing_is_dated_more_finely_than_a_day(project: Path) -> None:
    for name, content in released(project).items():
        assert MOMENT.search(content) is None, name
        assert b"CreationDate" not in content, name


def test_no_exact_number_of_patients_leaves(project: Path) -> None:
    schema = Schema.load(project / "schema.toml")
    cohort = Cohort.read(schema, patients=project / "patients.csv", labs=project / "labs.csv")
    train, holdout = cohort.split(0.3, key=read_key(project / "out" / "internal" / "split.key"))
    exact = {"patients": ODD, "records": len(cohort.records), "train records": len(train.records)}
    assert len(train) + len(holdout) == ODD
    for name, content in released(project).items():
        if name in (*SYNTHETIC, "report.pdf", "model/model.safetensors"):
            continue
        text = re.sub(rb"[0-9a-f]{16,}", b"", content)
        for what, count in exact.items():
            for written in (f"{count}", f"{count:,}"):
                assert not re.search(rf"(?<![\d.]){written}(?![\d.%])".encode(), text), f"{name} holds the {what}"


def test_the_split_key_stays_inside(project: Path) -> None:
    key = project / "out" / "internal" / "split.key"
    assert key.stat().st_mode & 0o077 == 0
    secret = read_key(key)
    for name, content in released(project).items():
        assert secret not in content, name
        assert secret.hex().encode() not in content.lower(), name


def test_the_account_of_the_population_stays_inside(project: Path) -> None:
    assert "ledger.jsonl" not in released(project)
