"""Photographs a finished project and a scoreboard for the documentation, each picture below 250 kB.

python gallery.py PROJECT BENCHMARK.svg IMAGES
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from rich.console import Console

from synthhealth import pipeline
from synthhealth.config import Config
from synthhealth.screens import screen

COLOURS, MOST_BYTES = 128, 250_000
PARTS = (
    ("report", "release/report.html", "body", 1240),
    ("internal", "internal/report.html", "body", 560),
    ("attacks", "internal/report.html", "#attacks", 1255),
    ("curves", "internal/report.html", "figure:has(#fig-roc-title)", 1030),
    ("dashboard", "internal/report.html", "#quality", 1975),
)


def main() -> None:
    """Take every picture, with fewer colours, or stop at one that is too large."""
    project, scoreboard, images = (Path(given).resolve() for given in sys.argv[1:])
    with tempfile.TemporaryDirectory() as place:
        drawn = Path(place) / "plan.svg"
        drawn.write_text(plan_screen(project / "synthhealth.toml"), encoding="utf-8")
        parts = [(name, str(project / page), first, str(height)) for name, page, first, height in PARTS]
        parts += [("plan", str(drawn), "svg", "2000"), ("benchmark", str(scoreboard), "svg", "2000")]
        script = Path(__file__).with_name("gallery.mjs")
        asked = [word for part in parts for word in part]
        subprocess.run(["node", str(script), str(images), *asked], check=True, env=os.environ)
    for name, *_ in parts:
        picture = images / f"{name}.png"
        Image.open(picture).convert("RGB").quantize(COLOURS).save(picture, optimize=True)
        if picture.stat().st_size > MOST_BYTES:
            sys.exit(f"{picture.name} must have {MOST_BYTES:,} bytes at most; got {picture.stat().st_size:,}")


def plan_screen(config: Path) -> str:
    """What `synthhealth plan` shows, as SVG."""
    console = Console(record=True, width=88, file=io.StringIO())
    console.print(screen(pipeline.plan(Config.load(config))))
    return console.export_svg(title="synthhealth plan")


if __name__ == "__main__":
    main()
