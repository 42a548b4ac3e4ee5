"""What is left after a generator learns from its own output, and learns again: the curve of collapse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from evaluation.benchmark_metrics import BenchmarkFigures, benchmark_figures
from evaluation.fidelity.arms import Arms
from evaluation.fidelity.histograms import Floats
from evaluation.fidelity.joint import two_way
from evaluation.finding import Curve, Estimate, Family, Finding, Verdict
from evaluation.resampling import known, redrawn_weights
from evaluation.utility.learners import boosted
from evaluation.utility.scores import auroc
from evaluation.utility.tasks import tasks_of
from evaluation.utility.transfer import Bench, by_patient, can_judge
from privacy.cohort import Cohort
from privacy.errors import CheckError, refusal
from privacy.randomness import public

TITLE = "What is left after learning from synthetic patients again and again"


def collapse(train: Cohort, holdout: Cohort, generations: Sequence[Cohort], *, seed: int = 0) -> Finding:
    """How far each generation is from the first training data, all benchmark figures by generation.

    Generation 1 was learnt from real patients, each later one from the synthetic patients of the one
    before; generation 0 of the curves is the holdout itself. The headline is what the last
    generation lost against the first in the area under the curve of the first outcome, or, where the
    schema names none, the distance of pairs of columns of the last. Each generation is one run of the
    generator: the interval is that of the patients alone. Shumailov et al. 2024. Raises CheckError
    without a generation.

    Privacy: internal only.
    """
    if not generations:
        raise CheckError(
            refusal(
                what="generations",
                must="hold at least one cohort",
                got="none",
                fix="sample the generator at least once",
            )
        )
    rows = [benchmark_figures(train, holdout, cohort, seed=seed) for cohort in (holdout, *generations)]
    headline, floor = _headline(train, holdout, generations, seed)
    return Finding(
        family=Family.UTILITY,
        test="generations",
        title=TITLE,
        headline=headline,
        verdict=Verdict.MEASURED,
        n=len(generations[-1]),
        floor=floor,
        curves=tuple(_curve(field.name, rows) for field in fields(BenchmarkFigures)),
        citation="Shumailov et al., AI models collapse when trained on recursively generated data, Nature 2024",
    )


def _headline(
    train: Cohort, holdout: Cohort, generations: Sequence[Cohort], seed: int
) -> tuple[Estimate, Estimate | None]:
    areas = [_area(train, holdout, cohort, seed) for cohort in (generations[0], generations[-1])]
    first, last = areas
    if first is None or last is None:
        finding = two_way(Arms.of(train, holdout, generations[-1], seed=seed), seed=seed)
        return finding.headline, finding.floor
    return by_patient("AUROC, last generation minus first", last - first), known("no loss", 0.0)


def _area(train: Cohort, holdout: Cohort, generation: Cohort, seed: int) -> Floats | None:
    """Redraws of the area under the curve of the first class outcome, trees trained on `generation`."""
    bench = Bench.of(train, holdout, generation, seed=seed)
    for task in tasks_of(train):
        _, synthetic, judge = bench.rows(task)
        if task.kind == "class" and can_judge(task, judge.y):
            score = boosted(synthetic.x.values, synthetic.y, "class")(judge.x.values)
            return auroc(judge.y, score, redrawn_weights(len(judge.y), public(seed, "generations")))
    return None


def _curve(name: str, rows: list[BenchmarkFigures]) -> Curve:
    heights = tuple(float(getattr(row, name)) for row in rows)
    return Curve(name=name, x=tuple(float(place) for place in range(len(rows))), y=heights)
