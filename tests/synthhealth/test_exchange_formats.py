"""A cohort that goes out as FHIR, OMOP or MEDS and comes in again is the same cohort, to the cell."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schema_texts import SEX, lab, number, schema_text
from strategies import assert_same, cohorts, schemas

from privacy.cohort import Cohort, Records
from privacy.errors import CheckError, ConfigError, DataError
from privacy.schema import Schema
from synthhealth.io.convert import read_source, write_format
from synthhealth.io.exchange import Format
from synthhealth.io.format_check import check_format

FORMATS = pytest.mark.parametrize("form", ["csv", "parquet", "fhir", "omop", "meds"])
EXCHANGE = pytest.mark.parametrize("form", ["fhir", "omop", "meds"])
SCHEMA = Schema.parse(
    schema_text(
        "ward",
        number("age", 0, 110),
        SEX,
        lab("K (serum)", 1, 10, 0.1, unit="mmol/L", loinc="2823-3", omop=3023103),
        cap=9,
        index_date="admitted",
    )
)


def round_trip(cohort: Cohort, folder: Path, form: Format) -> Cohort:
    write_format(cohort, folder, form)
    return read_source(cohort.schema, str(folder)).cohort


@EXCHANGE
@settings(max_examples=12)
@given(data=st.data())
def test_any_cohort_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, form: Format
) -> None:
    cohort = data.draw(cohorts(data.draw(schemas())))
    assert_same(round_trip(cohort, tmp_path_factory.mktemp("cohort"), form), cohort)


@FORMATS
def test_a_simulated_cohort_comes_back_as_it_was(tmp_path: Path, simulated_small: Cohort, form: Format) -> None:
    assert_same(round_trip(simulated_small, tmp_path, form), simulated_small)


@EXCHANGE
def test_dates_that_the_schema_asks_for_come_back_as_offsets(tmp_path: Path, form: Format) -> None:
    assert_same(round_trip(small(), tmp_path, form), small())


@pytest.mark.parametrize("form", ["fhir", "meds"])
def test_what_is_written_is_valid_by_the_published_models(
    tmp_path: Path, simulated_small: Cohort, form: Format
) -> None:
    files = write_format(simulated_small, tmp_path, form)
    expected = len(simulated_small) + len(simulated_small.records) if form == "fhir" else 3
    assert check_format(files, form) == expected


def test_a_resource_that_is_not_valid_is_found_and_not_quoted(tmp_path: Path) -> None:
    file = tmp_path / "Patient.ndjson"
    file.write_text('{"resourceType":"Patient","id":"a"}\n{"resourceType":"Patient","gender":7}\n')
    with pytest.raises(CheckError, match=r"Patient.ndjson, line 2, must be a FHIR R4B resource") as refused:
        check_format((file,), "fhir")
    assert refused.value.__cause__ is None


def test_a_meds_file_that_is_not_valid_is_found(tmp_path: Path) -> None:
    files = write_format(small(), tmp_path, "meds")
    pd.DataFrame({"subject_id": ["a"], "code": ["b"]}).to_parquet(files[0])
    with pytest.raises(CheckError, match="must be valid MEDS"):
        check_format(files, "meds")


def test_offsets_leave_without_any_date(tmp_path: Path) -> None:
    cohort = Cohort(
        schema=SCHEMA.model_copy(update={"index_date": None}), patients=small().patients, records=small().records
    )
    write_format(cohort, tmp_path, "fhir")
    text = (tmp_path / "Observation.ndjson").read_text() + (tmp_path / "Patient.ndjson").read_text()
    assert "-01-01" not in text
    first = json.loads(text.splitlines()[0])
    assert first["_effectiveDateTime"]["extension"][0]["valueDuration"]["value"] == 5
    assert first["valueQuantity"] == {
        "value": 4.1,
        "unit": "mmol/L",
        "system": "http://unitsofmeasure.org",
        "code": "mmol/L",
    }


def test_omop_tables_carry_concepts_where_the_schema_has_them(tmp_path: Path) -> None:
    write_format(small(), tmp_path, "omop")
    person, measured = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("person", "measurement"))
    assert person["gender_concept_id"].tolist() == [8532, 0]
    assert person["year_of_birth"].tolist() == [1970, 1930]
    assert measured["measurement_concept_id"].tolist() == [3023103, 3023103]
    assert measured["measurement_date"].tolist() == ["2000-01-01", "2000-01-02"]


def small() -> Cohort:
    frame = pd.DataFrame({"patient_id": ["a", "b c"], "age": ["30", "70"], "sex": ["F", ""]})
    labs = pd.DataFrame({"patient_id": ["a", "b c"], "time": ["5", "47"], "test": "K (serum)", "value": ["4.1", "3.9"]})
    return Cohort.of(SCHEMA, frame, labs)


HOSPITAL = (
    {"resourceType": "Patient", "id": "x", "gender": "female", "birthDate": "1950-06-01"},
    {"resourceType": "Encounter", "subject": {"reference": "Patient/x"}, "period": {"start": "2020-03-01T08:00:00Z"}},
    {"resourceType": "Encounter", "subject": {"reference": "Patient/x"}, "period": {"start": "2020-05-01T08:00:00Z"}},
    {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2823-3"}]},
        "subject": {"reference": "https://hospital.example/fhir/Patient/x"},
        "effectiveDateTime": "2020-03-01T12:30:00+01:00",
        "valueQuantity": {"value": 4.26, "unit": "mmol/l", "code": "mmol/L"},
    },
    {
        "resourceType": "Observation",
        "status": "entered-in-error",
        "code": {"text": "K (serum)"},
        "subject": {"reference": "Patient/x"},
        "effectiveDateTime": "2020-03-01T12:30:00+01:00",
        "valueQuantity": {"value": 9, "unit": "mmol/L"},
    },
    {"resourceType": "Condition", "id": "y"},
)


def test_a_hospitals_own_fhir_is_read_by_its_codes_and_counted_from_its_first_encounter(tmp_path: Path) -> None:
    (tmp_path / "all.ndjson").write_text("\n".join(json.dumps(one) for one in HOSPITAL))
    cohort = read_source(SCHEMA, str(tmp_path)).cohort
    assert cohort.patients[["age", "sex"]].to_numpy().tolist() == [[69.0, "F"]]
    assert (cohort.records.time.tolist(), cohort.records.value.tolist()) == ([3.0], [4.3])


def test_dates_without_an_index_are_refused(tmp_path: Path) -> None:
    lines = [json.dumps(one) for one in HOSPITAL if one["resourceType"] != "Encounter"]
    (tmp_path / "all.ndjson").write_text("\n".join(lines))
    with pytest.raises(DataError, match="export the Encounter resources"):
        read_source(SCHEMA, str(tmp_path))


def test_attributes_can_come_from_a_table_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "all.ndjson").write_text("\n".join(json.dumps(one) for one in HOSPITAL))
    table = tmp_path / "attributes.csv"
    table.write_text("patient_id,age,sex\nx,44,M\n")
    schema = SCHEMA.model_copy(update={"index_date": None})
    cohort = read_source(schema, str(tmp_path), patients=table).cohort
    assert cohort.patients[["age", "sex"]].to_numpy().tolist() == [[44.0, "M"]]
    assert len(cohort.records) == 1


def test_a_hospitals_own_omop_is_read_by_concept(tmp_path: Path) -> None:
    (tmp_path / "person.csv").write_text("person_id,gender_concept_id,year_of_birth\n9,8507,1960\n")
    (tmp_path / "visit_occurrence.csv").write_text("visit_occurrence_id,person_id,visit_start_date\n1,9,2021-02-03\n")
    (tmp_path / "measurement.csv").write_text(
        "person_id,measurement_concept_id,measurement_date,measurement_datetime,value_as_number,unit_source_value,"
        "measurement_source_value\n"
        "9,3023103,2021-02-04,2021-02-04T06:00:00,4.5,mmol/L,POTASSIUM\n"
        "9,3023103,2021-02-04,,4.6,mmol/L,POTASSIUM\n"
        "9,77,2021-02-04,,4.6,mmol/L,SOMETHING\n"
    )
    schema = SCHEMA.model_copy(update={"index_date": None})
    cohort = read_source(schema, str(tmp_path)).cohort
    assert cohort.patients[["age", "sex"]].to_numpy().tolist() == [[61.0, "M"]]
    assert (cohort.records.time.tolist(), cohort.records.value.tolist()) == ([24.0, 30.0], [4.6, 4.5])


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.ndjson", '{"resourceType":"Patient"', r"a.ndjson, line 1, must be one FHIR resource"),
        ("person.csv", "person_id\n1\n", "OMOP table person must have the columns gender_concept_id, year_of_birth"),
    ],
)
def test_a_source_that_breaks_a_rule_is_refused_by_place(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=told):
        read_source(SCHEMA, str(tmp_path))


def test_a_folder_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="got none of these"):
        read_source(SCHEMA, str(tmp_path))


def test_names_too_long_for_omop_are_refused(tmp_path: Path) -> None:
    long = SCHEMA.model_copy(update={"tests": {"K" * 51: SCHEMA.tests["K (serum)"]}})
    cohort = Cohort(schema=long, patients=small().patients, records=small().records)
    with pytest.raises(ConfigError, match="at most 50 characters"):
        write_format(cohort, tmp_path, "omop")
    assert list(tmp_path.iterdir()) == []


def test_values_finer_than_a_32_bit_float_survive_meds(tmp_path: Path) -> None:
    fine = SCHEMA.tests["K (serum)"].model_copy(update={"low": 0.0, "high": 900.0, "precision": 1e-6})
    schema = SCHEMA.model_copy(update={"tests": {"K": fine}})
    records = Records.sorted(
        owner=np.array([0, 1]), time=np.array([1.0, 2.0]), test=np.array([0, 0]), value=np.array([123.456789, 0.1])
    )
    cohort = Cohort(schema=schema, patients=small().patients, records=records)
    assert_same(round_trip(cohort, tmp_path, "meds"), cohort)


WORDS = (
    "resourceType",
    "Patient",
    "Observation",
    "Encounter",
    "id",
    "x",
    "identifier",
    "extension",
    "url",
    "value",
    "code",
)
MORE = (
    "coding",
    "system",
    "subject",
    "reference",
    "Patient/x",
    "effectiveDateTime",
    "_effectiveDateTime",
    "component",
    "period",
)
LAST = (
    "start",
    "valueQuantity",
    "unit",
    "2823-3",
    "http://loinc.org",
    "K (serum)",
    "2020-03-01",
    "urn:synthhealth:offset",
)
LAST_OF_ALL = (
    "urn:synthhealth:attribute",
    "valueDuration",
    "valueString",
    "gender",
    "female",
    "birthDate",
    "status",
    "text",
)
VOCABULARY = st.sampled_from((*WORDS, *MORE, *LAST, *LAST_OF_ALL))
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=False), VOCABULARY),
    lambda inside: st.one_of(st.lists(inside, max_size=3), st.dictionaries(VOCABULARY, inside, max_size=5)),
    max_leaves=12,
)
KINDS = st.sampled_from(["Patient", "Observation", "Encounter"])


@settings(max_examples=60)
@given(resources=st.lists(st.tuples(KINDS, st.dictionaries(VOCABULARY, ANYTHING, max_size=6)), max_size=4))
def test_whatever_an_export_holds_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, resources: list[tuple[str, dict[str, object]]]
) -> None:
    folder = tmp_path_factory.mktemp("export")
    patient = {"resourceType": "Patient", "id": "x", "gender": "female"}
    lines = [json.dumps(one | {"resourceType": kind}) for kind, one in resources]
    (folder / "all.ndjson").write_text("\n".join([json.dumps(patient), *lines]))
    schema = SCHEMA.model_copy(update={"columns": {"sex": SCHEMA.columns["sex"]}})
    with contextlib.suppress(DataError):
        assert "x" in read_source(schema, str(folder)).cohort.ids.tolist()


@pytest.mark.parametrize("content", [b"\xff\xfe{}", b"[" * 100_000, b"7", b'{"id": 1}', b"\x00"])
def test_lines_that_are_no_resources_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.ndjson").write_bytes(content)
    with pytest.raises(DataError, match=r"a.ndjson, line 1, must be one FHIR resource"):
        read_source(SCHEMA, str(tmp_path))


def test_a_meds_file_of_other_content_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "0.parquet").write_bytes(b"CANARY")
    with pytest.raises(DataError, match=r"0.parquet must have the columns subject_id, time, code"):
        read_source(SCHEMA, str(tmp_path))
