"""What is true in the simulated scenarios: who falls ill, when, and what the illness does to each test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ScenarioName = Literal["sepsis", "acute-kidney-injury", "diabetes", "anaemia"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """A test of the catalogue under its `key`: the usual range of the healthy, and what full illness adds to it.

    `peak` is in reference standard deviations (a 3.92th of the range, on the test's scale), `women` shifts the
    centre. `done` is the chance that a draw holds the test, `suspected` that one after the onset of a case does.
    """

    key: str
    name: str
    low: float
    high: float
    peak: float = 0.0
    women: float = 0.0
    done: float = 0.8
    suspected: float = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One illness: `share` of the patients have it from a time drawn in `onset` on.

    It builds up over `rise` and wears off over `recovery` (None: it stays), in `time_unit` as `followup`, the
    shortest and longest time that a patient is followed, and `gap`, the mean time between two draws. `death`
    gives the log-odds of dying and what a unit of severity adds; `egfr` asks for the eGFR as a derived test.
    """

    about: str
    time_unit: Literal["hours", "days"]
    followup: tuple[int, int]
    gap: float
    share: float
    onset: tuple[int, int]
    rise: float
    recovery: float | None
    age: tuple[float, float]
    death: tuple[float, float]
    markers: tuple[Marker, ...]
    egfr: bool = False


SCENARIOS: Mapping[ScenarioName, Scenario] = {
    "sepsis": Scenario(
        about="Hospital stays; some patients become septic: lactate, CRP and procalcitonin rise, platelets fall",
        time_unit="hours",
        followup=(48, 240),
        gap=14,
        share=0.25,
        onset=(6, 36),
        rise=10,
        recovery=72,
        age=(64, 15),
        death=(-4.0, 1.6),
        markers=(
            Marker(key="lactate", name="Lactate", low=0.5, high=2.2, peak=3.5, done=0.3, suspected=0.8),
            Marker(key="crp", name="CRP", low=0.3, high=5, peak=5.0, done=0.6),
            Marker(key="procalcitonin", name="Procalcitonin", low=0.02, high=0.1, peak=6.0, done=0.1, suspected=0.7),
            Marker(key="leukocytes", name="WBC", low=4.5, high=11, peak=2.5),
            Marker(key="platelets", name="Platelets", low=150, high=400, peak=-2.5),
            Marker(key="creatinine", name="Creatinine", low=0.6, high=1.2, peak=1.5, women=-1.0),
        ),
    ),
    "acute-kidney-injury": Scenario(
        about="Hospital stays; some patients lose kidney function within days: creatinine, urea and potassium rise",
        time_unit="hours",
        followup=(72, 336),
        gap=18,
        share=0.2,
        onset=(12, 60),
        rise=30,
        recovery=120,
        age=(68, 13),
        death=(-4.2, 1.2),
        markers=(
            Marker(key="creatinine", name="Creatinine", low=0.6, high=1.2, peak=7.0, women=-1.0),
            Marker(key="urea_nitrogen", name="BUN", low=7, high=18, peak=4.5),
            Marker(key="potassium", name="K", low=3.5, high=5.0, peak=2.5),
            Marker(key="bicarbonate", name="HCO3", low=22, high=28, peak=-2.5, done=0.6),
        ),
        egfr=True,
    ),
    "diabetes": Scenario(
        about="Two years of a diabetes clinic; control slips in some patients and is regained by treatment",
        time_unit="days",
        followup=(360, 720),
        gap=90,
        share=0.4,
        onset=(30, 240),
        rise=60,
        recovery=300,
        age=(60, 12),
        death=(-5.0, 0.4),
        markers=(
            Marker(key="hba1c", name="HbA1c", low=5.8, high=7.4, peak=5.0, done=0.95, suspected=0.98),
            Marker(key="glucose", name="Glucose", low=80, high=170, peak=3.5),
            Marker(key="creatinine", name="Creatinine", low=0.6, high=1.2, peak=0.4, women=-1.0, done=0.5),
            Marker(key="triglyceride", name="Triglycerides", low=60, high=200, peak=1.5, done=0.4, suspected=0.5),
        ),
        egfr=True,
    ),
    "anaemia": Scenario(
        about="A year in primary care; iron runs out in some patients: ferritin, then MCV and hemoglobin fall",
        time_unit="days",
        followup=(180, 360),
        gap=45,
        share=0.3,
        onset=(0, 90),
        rise=90,
        recovery=None,
        age=(52, 18),
        death=(-5.5, 0.2),
        markers=(
            Marker(key="hemoglobin", name="Hemoglobin", low=13.5, high=17.5, peak=-4.0, women=-1.5, done=0.95),
            Marker(key="mcv", name="MCV", low=80, high=98, peak=-3.0, done=0.9),
            Marker(key="ferritin", name="Ferritin", low=30, high=400, peak=-5.0, women=-1.0, done=0.25, suspected=0.6),
            Marker(key="platelets", name="Platelets", low=150, high=400, peak=1.0, done=0.9),
        ),
    ),
}
# Log-odds of being a case grow with age by this much a decade; severities spread by this standard deviation (log).
CASE_BY_DECADE = 0.15
SEVERITY_SPREAD = 0.35
# Share of the healthy variance that is a patient's own and stays.
OWN = 0.8
