"""Runs a tiny project and kills its own process at a chosen place: `python killed_run.py CONFIG PLACE`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name

import pytest
from tiny_project import stand_in

from synthhealth import pipeline
from synthhealth.config import Config

# Each place is a function that the run calls; before or after it the process is gone, with no chance to clean up.
PLACES: dict[str, tuple[str, str]] = {
    "before the charge is reserved": ("privacy.population.Population.reserve", "before"),
    "after the charge is reserved": ("privacy.population.Population.reserve", "after"),
    "while rows are counted": ("tiny_engine.TinyEngine._one_hot", "after"),
    "after training": ("tiny_engine.TinyEngine.fit", "after"),
    "before the model is in place": ("synthhealth.synthesizer.save", "before"),
    "after the model is in place": ("synthhealth.synthesizer.save", "after"),
    "before the fit is noted": ("synthhealth.job.Job.done", "before"),
    "after the fit is noted": ("synthhealth.job.Job.done", "after"),
    "before sampling": ("tiny_engine.TinyModel.sample", "before"),
    "between patients and labs": ("synthhealth.io.csv_files.labs_text_blocks", "before"),
    "after sampling": ("synthhealth.pipeline.write_csv", "after"),
    "while evaluating": ("evaluation.suite.evaluate", "before"),
    "after evaluating": ("synthhealth.pipeline.write_findings", "after"),
    "while attacking": ("evaluation.attacks.suite.attack", "before"),
    "while reporting": ("synthhealth.pipeline.gather", "after"),
}


def fatal(real: Callable[..., object], when: str) -> Callable[..., object]:
    """`real`, with a process that does not outlive it."""

    def call(*args: object, **kwargs: object) -> object:
        if when == "after":
            real(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    return call


def main() -> None:
    """Run until the chosen place."""
    config, place = Path(sys.argv[1]), sys.argv[2]
    target, when = PLACES[place]
    with pytest.MonkeyPatch.context() as patch:
        stand_in(patch)
        patch.setattr(target, fatal(resolve_name(target), when))
        pipeline.run(Config.load(config))


if __name__ == "__main__":
    main()
