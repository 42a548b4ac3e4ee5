"""The chance behind each patient's latent in each step: a keyed lot of the patient's own, whoever else is there."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri

from privacy.randomness import record_lots


def latent_chance(key: bytes, ids: NDArray[np.object_], *, step: int, size: int) -> torch.Tensor:
    """Standard normals [patients, size] of the patients with identifiers `ids`, for one step.

    A shared stream would hand a patient other draws when another joins the batch, and move every
    gradient; here entry i depends on the key, on ids[i] and on the step alone.
    """
    owner = np.repeat(np.arange(len(ids)), size)
    place = np.tile(np.arange(step * size, (step + 1) * size), len(ids))
    lots = record_lots(key, ids, owner, place) >> np.uint64(11)
    return torch.from_numpy(ndtri((lots + 0.5) * 2.0**-53).reshape(len(ids), size))
