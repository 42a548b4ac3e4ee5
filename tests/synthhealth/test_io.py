"""A cohort that is written and read back is the same cohort, in CSV and in Parquet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import assert_same, cohorts, schemas

from privacy.cohort import Cohort, Records
from privacy.patient_frame import patient_frame
from privacy.schema import Schema
from synthhealth.io.csv_files import write_csv
from synthhealth.io.parquet_files import write_parquet

Writer = Callable[..., tuple[Path, ...]]
WRITERS = pytest.mark.parametrize(("write", "ending"), [(write_csv, "csv"), (write_parquet, "parquet")])


def round_trip(cohort: Cohort, folder: Path, write: Writer, ending: str) -> Cohort:
    patients, labs = folder / f"patients.{ending}", folder / f"labs.{ending}"
    written = write(cohort, patients=patients, labs=labs)
    return Cohort.read(cohort.schema, patients=patients, labs=labs if labs in written else None)


@WRITERS
@given(data=st.data())
def test_any_cohort_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, write: Writer, ending: str
):
    cohort = data.draw(cohorts(data.draw(schemas())))
    assert_same(round_trip(cohort, tmp_path_factory.mktemp("cohort"), write, ending), cohort)


@WRITERS
def test_a_simulated_cohort_comes_back_as_it_was(tmp_path: Path, simulated_small: Cohort, write: Writer, ending: str):
    assert_same(round_trip(simulated_small, tmp_path, write, ending), simulated_small)


def test_csv_is_written_digit_by_digit(tmp_path: Path, six_patients: Cohort):
    write_csv(six_patients, patients=tmp_path / "p.csv", labs=tmp_path / "l.csv")
    assert (tmp_path / "p.csv").read_bytes().decode() == (
        "patient_id,age,sex,height,weight,bmi,ward,urgency,stay_hours,died\n"
        "a,30,F,160,64.0,25.0,Medical,1,10,0\n"
        "b,40,M,180,81.0,25.0,Medical,2,20,0\n"
        "c,50,F,150,45.0,20.0,ICU,3,47,1\n"
        "d,60,M,,70.0,,ICU,3,47,0\n"
        "e,70,F,170,,,OTHER,,5,1\n"
        "f,80,M,190,72.2,20.0,Medical,1,30,0\n"
    )
    assert (tmp_path / "l.csv").read_bytes().decode().splitlines()[:5] == [
        "patient_id,time,test,value,unit",
        "a,0,K,4.0,mmol/L",
        "a,0,Glucose,90,mg/dL",
        "a,6,K,4.4,mmol/L",
        "b,1,K,5.0,mmol/L",
    ]


def test_parquet_has_the_types_of_the_schema(tmp_path: Path, six_patients: Cohort):
    write_parquet(six_patients, patients=tmp_path / "p.parquet", labs=tmp_path / "l.parquet")
    patients = pyarrow.parquet.read_schema(tmp_path / "p.parquet")
    kinds = {name: str(patients.field(name).type) for name in ("patient_id", "age", "sex", "weight", "bmi", "died")}
    assert kinds == {
        "patient_id": "string",
        "age": "int64",
        "sex": "string",
        "weight": "double",
        "bmi": "double",
        "died": "int64",
    }
    labs = pyarrow.parquet.read_schema(tmp_path / "l.parquet")
    assert [str(field.type) for field in labs] == ["string", "int64", "string", "double", "string"]
    assert pyarrow.parquet.read_table(tmp_path / "p.parquet")["weight"].null_count == 1


@WRITERS
def test_codes_with_commas_quotes_and_line_breaks_come_back(tmp_path: Path, write: Writer, ending: str):
    schema = Schema.parse(
        'name = "odd"\ncohort_size = 20\n[privacy_unit]\nkey = "case"\nmax_records = 1\nwindow = [0, 1]\n'
        '[columns]\n"a, \\"b\\"" = { kind = "categorical", codes = ["x,y", "say \\"no\\"", "two\\nlines", "é"] }\n'
    )
    cells = {'a, "b"': np.arange(4)}
    nothing = np.empty(0)
    records = Records.sorted(owner=nothing.astype(int), time=nothing, test=nothing.astype(int), value=nothing)
    cohort = Cohort(schema=schema, patients=patient_frame(schema, ["1", "002", "3,4", "ü"], cells), records=records)
    assert_same(round_trip(cohort, tmp_path, write, ending), cohort)
    assert not (tmp_path / f"labs.{ending}").exists()
    assert (tmp_path / f"patients.{ending}").exists()


@WRITERS
def test_neither_table_is_touched_when_one_cannot_be_written(
    tmp_path: Path, six_patients: Cohort, write: Writer, ending: str
):
    patients, labs = tmp_path / f"p.{ending}", tmp_path / "taken" / f"l.{ending}"
    patients.write_text("what stood here before")
    (tmp_path / "taken").write_text("a file where a folder is wanted")
    with pytest.raises(OSError, match="taken"):
        write(six_patients, patients=patients, labs=labs)
    assert sorted(file.name for file in tmp_path.iterdir()) == [patients.name, "taken"]
    assert patients.read_text() == "what stood here before"
