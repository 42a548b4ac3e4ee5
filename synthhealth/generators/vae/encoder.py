"""The encoder: a patient's latent read off which tests the patient has more often than expected; trained on dreams."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from synthhealth.generators.events.dream import Heads
from synthhealth.generators.events.panel_moments import PanelInputs, weights_of
from synthhealth.generators.vae.episodes import Episodes

Floats = NDArray[np.float64]
RIDGE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """q(latent | patient): its mean is surprises [patients, T] . weight [T, L], linear and so by row."""

    weight: Floats

    def encode(self, episodes: Episodes, heads: Heads) -> Episodes:
        """The episodes with each patient's expected latent.

        Privacy: internal only, when the episodes are real; a per-patient map.
        """
        return replace(episodes, latent=surprises(episodes, heads) @ self.weight)


def surprises(episodes: Episodes, heads: Heads) -> Floats:
    """How many more draws held each test than the decoder expects without a latent, standardised, [patients, T].

    Privacy: internal only, when the episodes are real; row i is built from patient i alone.
    """
    inputs, draws = episodes.panels, episodes.draws
    chance = expit(_logits(inputs, heads))
    missed = draws.sums((inputs.bits - chance) * inputs.free)
    spread = draws.sums(chance * (1 - chance) * inputs.free)
    return np.asarray(missed / np.sqrt(1.0 + spread))


def asleep(dreamt: Episodes, heads: Heads) -> Encoder:
    """The encoder that best guesses the latents of dreamt patients, which are known (the sleep phase).

    Wake-sleep (Hinton, Dayan, Frey and Neal 1995): the decoder learns awake, from patients; the
    encoder asleep, from what the decoder dreams, so it costs no privacy.

    Privacy: free; post-processing.
    """
    seen = surprises(dreamt, heads)
    gram = seen.T @ seen + RIDGE * np.eye(seen.shape[1])
    return Encoder(weight=np.asarray(np.linalg.solve(gram, seen.T @ dreamt.latent), dtype=np.float64))


def loading_curvature(dreamt: Episodes, heads: Heads, t: int) -> Floats:
    """The Fisher information a patient of test t's loading, [L, L], on dreamt patients with encoded latents."""
    inputs, draws = dreamt.panels, dreamt.draws
    latent = dreamt.latent[draws.owner]
    logits = inputs.of_test(t) @ weights_of(heads.panels, t) + latent @ heads.panels.loading[t]
    chance = expit(logits)
    weight = chance * (1 - chance) * inputs.free[:, t]
    return np.asarray((latent * weight[:, None]).T @ latent / draws.patients)


def _logits(inputs: PanelInputs, heads: Heads) -> Floats:
    head = heads.panels
    ever = inputs.ever * (head.ever + head.drive(inputs.level))
    own = inputs.prev * head.prev + ever + inputs.none * head.none + inputs.room * head.room
    return np.asarray(inputs.shared @ head.shared.T + own + inputs.bits @ head.bits.T)
