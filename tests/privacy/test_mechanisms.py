"""Noisy tables, sums, choices: paid first, right in the mean, noised at the charged scale, blind to blocks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.sparse import csr_matrix
from small_world import charge, chi2_interval, cohort_of, gate_of, noise_fits, patients, without

from privacy import lattice, mechanisms, randomness
from privacy.budget import Budget
from privacy.choices import Candidates, code_threshold
from privacy.cohort import Cohort
from privacy.contributions import LATTICE
from privacy.errors import BudgetError, ConfigError
from privacy.events import (
    DiscreteGaussian,
    DiscreteLaplace,
    Event,
    Gaussian,
    Selection,
    Thresholded,
)
from privacy.gate import Gate
from privacy.ledger import Ledger
from privacy.mechanisms import (
    noisy_bounds,
    noisy_choices,
    noisy_codes,
    noisy_histograms,
    noisy_patient_count,
    noisy_second_moments,
    noisy_sums,
)
from privacy.plan import Plan

FOUR = cohort_of([("a", 0, 30.0, 3), ("b", 1, 40.0, 0), ("c", 1, float("nan"), 9), ("d", -1, 120.0, 40)])


def sexes(block: Cohort) -> csr_matrix:
    code = block.codes("sex")
    known = np.flatnonzero(code >= 0)
    return csr_matrix((np.ones(len(known)), (known, code[known])), shape=(len(block), 2))


def wide(cells: int):
    return lambda block: csr_matrix((len(block), cells))


def greedy(block: Cohort) -> csr_matrix:
    """A query that breaks every rule: every cell, often, with numbers of any size."""
    values = np.tile([1.0, 1e30, np.nan, -5.0, np.inf], (len(block), 1))
    return csr_matrix(values)


def no_noise(size: int, sigma: float) -> np.ndarray:
    return np.zeros(size) * sigma


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No noise, so that what is left is the sum itself."""
    monkeypatch.setattr(mechanisms, "secret_whole_gaussian", no_noise)
    monkeypatch.setattr(lattice, "secret_whole_gaussian", no_noise)
    monkeypatch.setattr(mechanisms, "secret_gumbel", np.zeros)
    monkeypatch.setattr(mechanisms, "_discrete_gaussian", lambda counts, sigma: (counts, sigma))


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("event", [DiscreteGaussian(sigma=2.0), Gaussian(noise_multiplier=2.0)])
def test_histograms_count_patients(event: Event):
    assert noisy_histograms(gate_of(FOUR, {"sex": event}), "sex", sexes).values.tolist() == [1.0, 2.0]


@pytest.mark.usefixtures("silent")
@settings(max_examples=20, deadline=None)
@given(patients(), st.data(), st.integers(1, 4))
def test_removing_a_patient_moves_count_cells_by_one(cohort: Cohort, data: st.DataObject, count: int):
    other = without(cohort, data.draw(st.integers(0, len(cohort) - 1)))
    events: dict[str, Event] = {"all": DiscreteGaussian(sigma=2.0, count=count)}
    moved = noisy_histograms(gate_of(cohort, events), "all", greedy).values
    if len(other) > 0:
        moved = moved - noisy_histograms(gate_of(other, events), "all", greedy).values
    assert set(moved.tolist()) <= {0.0, 1.0}
    assert moved.sum() <= count


@pytest.mark.usefixtures("silent")
@settings(max_examples=20, deadline=None)
@given(patients(), st.data(), st.floats(1e-3, 1e3))
def test_removing_a_patient_moves_sums_by_the_clip_norm(cohort: Cohort, data: st.DataObject, norm: float):
    other = without(cohort, data.draw(st.integers(0, len(cohort) - 1)))
    events: dict[str, Event] = {"all": Gaussian(noise_multiplier=2.0)}

    def ages(block: Cohort) -> csr_matrix:
        age = block.numbers("age")
        return csr_matrix(np.stack([age, age**2, -age * 1e9], axis=1).reshape(len(block), 3))

    here = noisy_sums(gate_of(cohort, events), "all", ages, max_norm=norm).values
    there = noisy_sums(gate_of(other, events), "all", ages, max_norm=norm).values
    steps = (here - there) * (LATTICE / norm)
    whole = [round(step) for step in steps]
    assert whole == pytest.approx(steps.tolist(), abs=1e-3)
    assert sum(step * step for step in whole) <= LATTICE**2


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("size", [1, 3, 8192])
def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch, size: int):
    monkeypatch.setattr(mechanisms, "blocks", lambda rows, real=mechanisms.blocks: real(rows, size))
    assert noisy_histograms(gate_of(FOUR, {"x": DiscreteGaussian(sigma=2.0)}), "x", sexes).values.tolist() == [1, 2]


@pytest.mark.usefixtures("silent")
def test_nobody_gives_a_table_of_the_same_shape():
    empty = cohort_of([])
    assert noisy_histograms(gate_of(empty, {"x": DiscreteGaussian(sigma=2.0)}), "x", sexes).values.tolist() == [0, 0]
    assert noisy_sums(gate_of(empty, {"x": Gaussian(noise_multiplier=1.0)}), "x", sexes, max_norm=1).values.shape == (
        2,
    )


def test_a_table_whose_width_depends_on_rows_is_refused():
    gate = gate_of(FOUR, {"x": DiscreteGaussian(sigma=2.0)})
    with pytest.raises(TypeError, match=r"\[patients, 0\]"):
        noisy_histograms(gate, "x", lambda block: csr_matrix((len(block), len(block))))


@pytest.mark.parametrize(
    ("event", "sigma"),
    [(DiscreteGaussian(sigma=6.5, count=2), 6.5), (Gaussian(noise_multiplier=30.0, count=2), 30.0)],
)
def test_histogram_noise_has_the_charged_scale_and_is_whole(event: Event, sigma: float):
    cells = 12_000 if isinstance(event, DiscreteGaussian) else 200_000
    table = noisy_histograms(gate_of(FOUR, {"x": event}), "x", wide(cells))
    assert table.sigma == sigma
    assert np.array_equal(table.values, np.rint(table.values))
    mean_square = float(np.mean(table.values**2))
    low, high = chi2_interval(sigma**2, cells)
    assert low < mean_square < high
    far = 0.92 if isinstance(event, DiscreteGaussian) else 0.98  # what the number of draws can tell
    for factor in (far, 2 - far):
        low, high = chi2_interval((factor * sigma) ** 2, cells)
        assert not low < mean_square < high


def test_discrete_gaussian_noise_has_its_law():
    sigma, draws = 2.5, 20_000
    table = noisy_histograms(gate_of(FOUR, {"x": DiscreteGaussian(sigma=sigma)}), "x", wide(draws))
    k = np.arange(-7, 8)
    weight = np.exp(-0.5 * (np.arange(-60, 61) / sigma) ** 2)
    expected = draws * np.exp(-0.5 * (k / sigma) ** 2) / weight.sum()
    observed = np.array([(table.values == value).sum() for value in k])
    rest = draws - expected.sum(), draws - observed.sum()
    statistic = ((observed - expected) ** 2 / expected).sum() + (rest[1] - rest[0]) ** 2 / rest[0]
    assert stats.chi2.sf(statistic, len(k)) > 1e-6


def test_sum_noise_has_the_charged_scale_and_lies_on_the_lattice():
    table = noisy_sums(gate_of(FOUR, {"x": Gaussian(noise_multiplier=3.0)}), "x", wide(300_000), max_norm=0.7)
    assert table.sigma == pytest.approx(2.1)
    assert noise_fits(table.values, 2.1)
    assert not noise_fits(table.values, 2.1 * 0.98)
    assert not noise_fits(table.values, 2.1 * 1.02)
    steps = table.values * (LATTICE / 0.7)
    assert np.abs(steps - np.rint(steps)).max() < 1e-6


def test_noise_is_fresh_for_every_release():
    gate = gate_of(FOUR, {"x": Gaussian(noise_multiplier=3.0), "y": Gaussian(noise_multiplier=3.0)})
    first, second = (noisy_sums(gate, name, wide(5_000), max_norm=1.0).values for name in ("x", "y"))
    assert abs(np.corrcoef(first, second)[0, 1]) < 5.5 / math.sqrt(5_000)
    assert not (first == second).any()


@pytest.mark.usefixtures("silent")
def test_second_moments_are_sums_of_products():
    scores = np.array([[1.0, 2.0, 0.5], [0.5, -1.0, 0.0], [np.nan, 1.0, 1.0], [0.0, 0.0, 0.0]])
    weights = np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 0.0], [2.0, 0.0, 0.0]])

    def query(block: Cohort) -> np.ndarray:
        return scores[["abcd".index(one) for one in block.ids]].reshape(len(block), 3)

    found = noisy_second_moments(
        gate_of(FOUR, {"x": Gaussian(noise_multiplier=1.0)}), "x", query, weights=weights, max_norm=50.0
    )
    assert found.values[0, 1] == pytest.approx(1.5, abs=0.5)
    assert found.values[1, 2] == 0.0
    assert np.isinf(found.sigma[1, 2])
    assert found.sigma[0, 2] == pytest.approx(25.0)
    assert np.array_equal(found.values, found.values.T)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=4, max_size=4),
        min_size=1,
        max_size=5,
    ),
    st.floats(0.01, 100.0),
)
def test_a_patient_moves_second_moments_by_the_clip_norm(rows: list[list[float]], norm: float):
    rng = np.random.default_rng(3)
    weights = np.triu(rng.uniform(0.1, 3.0, (4, 4)), 1)
    weights += weights.T
    cohort = cohort_of([(str(i), 0, 30.0, 0) for i in range(len(rows))])
    events: dict[str, Event] = {"x": Gaussian(noise_multiplier=1.0)}

    def query(block: Cohort) -> np.ndarray:
        return np.array([rows[int(one)] for one in block.ids]).reshape(len(block), 4)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lattice, "secret_whole_gaussian", no_noise)
        here, there = (
            noisy_second_moments(gate_of(part, events), "x", query, weights=weights, max_norm=norm).values
            for part in (cohort, without(cohort, 0))
        )
    assert np.linalg.norm(((here - there) * weights)[np.triu_indices(4, 1)]) <= norm * (1 + 1e-12)


def misfits(expected: list[float], weight: list[float] | None = None) -> Candidates:
    """Two candidates of two cells each."""
    return Candidates(
        group=np.array([0, 0, 1, 1]),
        expected=np.array(expected),
        weight=np.array([1.0, 1.0] if weight is None else weight),
        offset=np.zeros(2),
    )


def both(block: Cohort) -> csr_matrix:
    one = sexes(block).toarray()
    return csr_matrix(np.concatenate([one, one[:, ::-1]], axis=1))


@pytest.mark.usefixtures("silent")
def test_choices_take_the_largest_misfits_in_order():
    events: dict[str, Event] = {"x": Selection(epsilon=1.0, count=2), "y": Selection(epsilon=1.0, count=2)}
    gate = gate_of(FOUR, events)
    assert noisy_choices(gate, "x", both, candidates=misfits([1, 2, 9, 9]), k=2).tolist() == [1, 0]
    assert noisy_choices(gate, "y", both, candidates=misfits([9, 9, 2, 1]), k=2).tolist() == [0, 1]


@settings(max_examples=30, deadline=None)
@given(patients(), st.data(), st.lists(st.floats(-20, 20), min_size=5, max_size=5))
def test_removing_a_patient_moves_no_score_by_more_than_the_weight(
    cohort: Cohort, data: st.DataObject, expected: list[float]
):
    candidates = Candidates(
        group=np.array([0, 0, 0, 1, 1]),
        expected=np.array(expected),
        weight=np.array([0.5, 2.0]),
        offset=np.array([1.0, 3.0]),
    )
    other = without(cohort, data.draw(st.integers(0, len(cohort) - 1)))
    scores = [
        candidates.scores(
            sum(
                (mechanisms.in_groups(greedy(block), candidates.group).toarray().sum(axis=0) for block in [part]),
                np.zeros(5),
            )
        )
        for part in (cohort, other)
    ]
    moved = np.abs(scores[0] - scores[1])
    assert (moved <= candidates.weight + 1e-9).all()
    assert candidates.sensitivity == 2.0


def test_choices_follow_the_exponential_mechanism():
    epsilon, rounds, names = 1.5, 1_000, [f"r{i}" for i in range(1_000)]
    gate = gate_of(FOUR, {name: Selection(epsilon=epsilon) for name in names})
    candidates = misfits([1.0, 2.0, 4.0, 3.0])  # scores 0 and 4
    picks = [int(noisy_choices(gate, name, both, candidates=candidates, k=1)[0]) for name in names]
    chance = 1 / (1 + math.exp(-epsilon * 4 / 2))
    assert stats.binomtest(sum(picks), rounds, chance).pvalue > 1e-6
    assert stats.binomtest(sum(picks), rounds, 1 / (1 + math.exp(-epsilon * 4))).pvalue < 1e-6


def test_choices_refuse_groups_without_order_and_weights_without_sense():
    for broken in (
        Candidates(group=np.array([1, 0]), expected=np.zeros(2), weight=np.ones(2), offset=np.zeros(2)),
        misfits([0, 0, 0, 0], [1.0, 0.0]),
        misfits([0, 0, 0, 0], [1.0, float("nan")]),
    ):
        gate = gate_of(FOUR, {"x": Selection(epsilon=1.0)})
        with pytest.raises(ValueError, match="ascending groups"):
            noisy_choices(gate, "x", both, candidates=broken, k=1)
        assert not gate.ledger.entries


def test_patient_counts_are_whole_never_negative_and_of_geometric_noise():
    names = [f"r{i}" for i in range(2_000)]
    gate = gate_of(cohort_of([(str(i), 0, 1.0, 0) for i in range(60)]), {n: DiscreteLaplace(scale=3.0) for n in names})
    counts = np.array([noisy_patient_count(gate, name) for name in names])
    decay = math.exp(-1 / 3.0)
    variance = 2 * decay / (1 - decay) ** 2
    assert np.abs(counts.mean() - 60) < 5 * math.sqrt(variance / len(counts))
    assert counts.var() == pytest.approx(variance, rel=0.3)
    few = gate_of(cohort_of([]), {n: DiscreteLaplace(scale=3.0) for n in names[:50]})
    assert min(noisy_patient_count(few, name) for name in names[:50]) == 0


def own_codes(block: Cohort) -> list[list[str]]:
    return [["common", "common", "id-" + str(one)] if int(one) % 2 else ["common"] for one in block.ids]


def test_codes_that_many_have_are_kept_and_those_of_one_patient_are_not():
    cohort = cohort_of([(str(i), 0, 1.0, 0) for i in range(400)])
    gate = gate_of(cohort, {"codes": Thresholded(noise_multiplier=5.0, delta=1e-9)})
    assert noisy_codes(gate, "codes", own_codes, most=2) == ("common",)


def test_a_lone_code_survives_with_a_chance_of_delta(monkeypatch: pytest.MonkeyPatch):
    # at a delta that can be seen: the share of releases that show any of the lone patient's codes
    event, rounds = Thresholded(noise_multiplier=2.0, delta=0.05), 1_000
    plan = Plan(budget=Budget(epsilon=50.0, delta=0.09), charges=(charge("codes", event),), cohort_size=1)
    lone = cohort_of([("0", 0, 1.0, 0)])

    def shown() -> int:
        return sum(
            bool(noisy_codes(Gate(lone, Ledger(plan)), "codes", lambda block: [["x", "y", "z"]] * len(block), most=3))
            for _ in range(rounds)
        )

    quiet = shown()
    assert stats.binomtest(quiet, rounds, event.delta, alternative="greater").pvalue > 1e-6
    assert quiet > rounds * event.delta / 10
    monkeypatch.setattr(mechanisms, "code_threshold", lambda event, most: most / most + event.noise_multiplier)
    assert stats.binomtest(shown(), rounds, event.delta, alternative="greater").pvalue < 1e-6


@pytest.mark.parametrize("most", [1, 2, 8])
def test_the_threshold_bounds_the_chance_of_every_number_of_lone_codes(most: int):
    event = Thresholded(noise_multiplier=10.0, delta=1e-7)
    least = code_threshold(event, most)
    for k in range(1, most + 1):
        chance = -math.expm1(k * math.log1p(-stats.norm.sf((least - 1 / math.sqrt(k)) / 10.0)))
        assert chance <= 1e-7
    assert least == pytest.approx({1: 53.0, 2: 53.7, 8: 56.0}[most], abs=1.5)


def test_bounds_come_from_a_public_grid():
    rng = np.random.default_rng(0)
    ages = rng.normal(60.0, 5.0, 3_000)
    cohort = cohort_of([(str(i), 0, float(age), 0) for i, age in enumerate(ages)])
    gate = gate_of(cohort, {"age": DiscreteGaussian(sigma=3.0)})
    edges = np.linspace(0.0, 120.0, 25)
    low, high = noisy_bounds(gate, "age", lambda block: block.numbers("age"), edges=edges, share=0.02)
    assert low in edges
    assert high in edges
    assert 40.0 <= low <= 50.0
    assert 70.0 <= high <= 80.0


@pytest.mark.usefixtures("silent")
def test_bounds_of_nobody_and_of_unknown_values_are_edges():
    edges = np.array([0.0, 1.0, 2.0])
    for cohort in (cohort_of([]), cohort_of([("a", 0, float("nan"), 0)])):
        gate = gate_of(cohort, {"age": DiscreteGaussian(sigma=1.0)})
        low, high = noisy_bounds(gate, "age", lambda block: block.numbers("age"), edges=edges)
        assert low < high


def run_wrong(gate: Gate) -> None:
    for attempt in (
        lambda: noisy_histograms(gate, "pick", sexes),
        lambda: noisy_sums(gate, "pick", sexes, max_norm=1.0),
        lambda: noisy_choices(gate, "table", both, candidates=misfits([0, 0, 0, 0]), k=1),
        lambda: noisy_choices(gate, "pick", both, candidates=misfits([0, 0, 0, 0]), k=2),
        lambda: noisy_patient_count(gate, "table"),
        lambda: noisy_codes(gate, "table", own_codes, most=1),
        lambda: noisy_sums(gate, "table", sexes, max_norm=1.0),
        lambda: noisy_sums(gate, "sum", sexes, max_norm=float("inf")),
        lambda: noisy_sums(gate, "sums", sexes, max_norm=1.0),
        lambda: noisy_second_moments(
            gate, "pick", lambda b: np.zeros((len(b), 2)), weights=np.ones((2, 2)), max_norm=1
        ),
    ):
        with pytest.raises(ConfigError, match="to fix"):
            attempt()


def test_what_was_not_planned_is_refused_before_it_is_paid():
    gate = gate_of(
        FOUR,
        {
            "pick": Selection(epsilon=1.0),
            "table": DiscreteGaussian(sigma=3.0),
            "sum": Gaussian(noise_multiplier=1.0),
            "sums": Gaussian(noise_multiplier=1.0, count=2),
        },
    )
    run_wrong(gate)
    assert not gate.ledger.entries
    with pytest.raises(BudgetError):
        noisy_patient_count(gate, "absent")


def test_every_mechanism_pays_before_it_looks():
    events: dict[str, Event] = {"x": DiscreteGaussian(sigma=3.0)}
    gate = gate_of(FOUR, events)

    def peek(block: Cohort) -> csr_matrix:
        assert [entry.charge.name for entry in gate.ledger.entries] == ["x"]
        return sexes(block)

    noisy_histograms(gate, "x", peek)
    with pytest.raises(BudgetError, match="spent once"):
        noisy_histograms(gate, "x", peek)


def test_a_query_that_fails_has_spent_all_the_same():
    gate = gate_of(FOUR, {"x": DiscreteGaussian(sigma=3.0)})

    def broken(block: Cohort) -> csr_matrix:
        raise RuntimeError(block.schema.name)

    with pytest.raises(RuntimeError, match="small"):
        noisy_histograms(gate, "x", broken)
    assert len(gate.ledger.entries) == 1


def test_noise_ignores_user_seeds():
    values = []
    for _ in range(2):
        np.random.seed(0)  # noqa: NPY002  # a user may well do this
        randomness.public(0, "x")
        gate = gate_of(FOUR, {"x": DiscreteGaussian(sigma=30.0), "n": DiscreteLaplace(scale=500.0)})
        values.append((noisy_histograms(gate, "x", wide(40)).values.tolist(), noisy_patient_count(gate, "n")))
    assert values[0] != values[1]
