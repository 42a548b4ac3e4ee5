"""What is true in the simulated hospital: reference ranges, how illness moves each test, who is tested for what.

Reference ranges are those of the National Board of Medical Examiners (Laboratory Reference
Values, 2020), but lactate (MSD Manual, "Blood Tests") and troponin T, whose upper end is the
99th percentile of the high-sensitivity assay. Everything else is an assumption made here, of
the right sign and order of magnitude and documented in docs/reference/simulator.md.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Analyte:
    """A test: its reference range (95 % of the healthy) and what moves it, in reference standard deviations.

    `shock`, `kidney` and `inflammation` are the effects of one unit of the patient's three
    factors. The healthy vary by 1: the stable share `own`^2 between patients, the rest within.
    `women` shifts the centre. `wide` is the chance of a stray value (Student's t, 2 degrees).
    """

    name: str
    low: float
    high: float
    panel: str
    log: bool = False
    shock: float = 0.0
    kidney: float = 0.0
    inflammation: float = 0.0
    women: float = 0.0
    own: float = 0.8
    wide: float = 0.01


ANALYTES = (
    Analyte(name="Na", low=136, high=146, panel="chemistry", shock=-0.4, inflammation=-0.3),
    Analyte(name="K", low=3.5, high=5.0, panel="chemistry", shock=0.3, kidney=0.7, own=0.6),
    Analyte(name="HCO3", low=22, high=28, panel="chemistry", shock=-1.1, kidney=-0.6, own=0.7),
    Analyte(
        name="Creatinine", low=0.6, high=1.2, panel="chemistry", log=True, shock=0.5, kidney=1.8, women=-1, own=0.9
    ),
    Analyte(name="BUN", low=7, high=18, panel="chemistry", log=True, shock=0.6, kidney=1.4),
    Analyte(name="Glucose", low=70, high=140, panel="chemistry", log=True, shock=0.6, inflammation=0.7, own=0.6),
    Analyte(name="WBC", low=4.5, high=11.0, panel="blood count", log=True, shock=0.2, inflammation=1.2, own=0.7),
    Analyte(name="Hemoglobin", low=13.5, high=17.5, panel="blood count", kidney=-0.8, inflammation=-0.9, women=-1.5),
    Analyte(name="Platelets", low=150, high=400, panel="blood count", log=True, shock=-0.7, inflammation=0.4, own=0.9),
    Analyte(name="Bilirubin", low=0.1, high=1.0, panel="liver", log=True, shock=0.6, own=0.9),
    Analyte(name="Lactate", low=0.5, high=2.2, panel="gas", log=True, shock=1.4, own=0.4),
    Analyte(name="TroponinT", low=3, high=14, panel="troponin", log=True, shock=0.8, kidney=0.9, own=0.9),
    Analyte(name="UrineProtein", low=-2, high=2, panel="urine", kidney=1.0, own=0.8, wide=0.0),
)
# A dipstick reads how many of these the hidden amount of protein has passed.
DIPSTICK = (0.8, 1.8, 2.8, 3.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Tests drawn together: the chance to be in a patient's first draw and in a later one.

    `ever` and `ever_shock` give the log-odds, and its growth with the patient's illness, that
    the panel is used in a patient at all; `cardiac` is added to it on the cardiac ward.
    """

    name: str
    first: float
    later: float
    ever: float = 20.0
    ever_shock: float = 0.0
    cardiac: float = 0.0


PANELS = (
    Panel(name="chemistry", first=0.97, later=0.85),
    Panel(name="blood count", first=0.95, later=0.65),
    Panel(name="liver", first=0.7, later=0.2, ever=1.0, ever_shock=0.5),
    Panel(name="gas", first=0.7, later=0.45, ever=-1.3, ever_shock=1.2),
    Panel(name="troponin", first=0.9, later=0.25, ever=-1.5, ever_shock=0.4, cardiac=2.5),
    Panel(name="urine", first=0.5, later=0.08, ever=-0.3),
)
LOST = 0.02  # a test of a panel that was drawn but could not be measured

WOMEN = 0.48
# The kidney factor from which on the disease is known at admission.
KNOWN_KIDNEY_DISEASE = 1.4
# Log-odds of dying in hospital: constant, per unit of illness, per decade of age over 60.
DEATH = (-3.6, 1.2, 0.25)
# Extra draws an hour: exp(constant + slope * illness); the sick are drawn more often.
EXTRA_DRAWS = (-4.0, 0.6)
MORNING_DRAW = 0.9
# Hours over which a deviation within one patient halves itself 1.44 times (the e-folding time).
MEMORY_HOURS = 30.0
# Hours over which illness at admission wears off in those who live.
RECOVERY_HOURS = 96.0
# Illness added by the end of the stay in those who die.
DECLINE = 1.2
INFARCTION = 0.45  # of the patients on the cardiac ward; raises troponin by this many reference deviations:
INFARCTION_RISE = 5.0
