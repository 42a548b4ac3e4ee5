"""A fit holds the real records in files that nobody else can open, and leaves none of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_project import lay_out, stand_in

from privacy.cohort import Cohort
from privacy.ledger import Ledger
from synthhealth.config import Config
from synthhealth.fitting import fit
from synthhealth.generators.protocol import Progress
from synthhealth.synthesizer import Synthesizer


def test_a_fit_holds_records_in_files_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    seen = []
    whole = Synthesizer.fit

    def watched(self: Synthesizer, train: Cohort, *, run_id: str, progress: Progress) -> Ledger:
        assert train.records.files is not None
        names = sorted(path.name for path in train.records.files.folder.iterdir())
        seen.append((train.records.files.folder, len(train.records), names))
        return whole(self, train, run_id=run_id, progress=progress)

    monkeypatch.setattr(Synthesizer, "fit", watched)
    fit(Config.load(lay_out(tmp_path)))
    ((folder, count, names),) = seen
    assert folder == tmp_path / "out" / "internal"
    assert count > 1000
    assert names == ["fit.lock", "run.json", "split.key"]
