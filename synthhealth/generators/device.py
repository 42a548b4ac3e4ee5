"""Where gradients are computed: on the processor, or on a graphics card that was asked for by name."""

from __future__ import annotations

from typing import Literal

from privacy.errors import ConfigError, refusal

Device = Literal["cpu", "cuda"]


def require_device(asked: Device, *, processes: int = 1) -> None:
    """Raise ConfigError where there is no such card, or several processes would share it; costs nothing for `cpu`.

    Privacy: free; reads no rows.
    """
    if asked == "cpu":
        return
    import torch  # it takes seconds to import

    if not torch.cuda.is_available():
        raise ConfigError(
            refusal(
                what=f"device {asked!r}",
                must="be a graphics card that torch can use",
                got="no such card, or a build of torch without CUDA",
                fix="leave `device` out to compute on the processor, or install a build of torch for the card",
            )
        )
    if processes > 1:
        raise ConfigError(
            refusal(
                what=f"device {asked!r}",
                must="be used by one process",
                got=f"{processes} of torchrun",
                fix="leave `device` out, or fit without torchrun",
            )
        )
