"""Says where a bug struck without repeating its words, since a library may quote a cell of real data in them."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

FRAMES = 6


def told_without_values(error: Exception) -> str:
    """The kind of an error and the last places of its way; everything only where SYNTHHEALTH_DEBUG is 1."""
    if os.environ.get("SYNTHHEALTH_DEBUG") == "1":
        return "".join(traceback.format_exception(error))
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    places = "\n".join(f"  {Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames)
    return (
        f"{type(error).__name__}\n{places}\n"
        "Its message is not shown, because it might quote your data. "
        "Set SYNTHHEALTH_DEBUG=1 to see all of it, on your own screen only."
    )
