"""The policy's checks of the guarantee: epsilon, delta, unit, accountants, and how the training room works."""

from __future__ import annotations

from synthhealth.report.parts import Check, Outcome, PopulationTotal, Promise
from synthhealth.report.policy import Policy, TierLimits
from synthhealth.report.wording import number

_PRACTICES = (
    ("poisson_sampling", True, "Sampler matches the accounting (Poisson)"),
    ("rate_is_public", True, "Sample rate is a public constant"),
    ("steps_are_public", True, "Number of steps is a public constant"),
    ("normaliser_is_public", True, "Normaliser is a public constant"),
    ("lattice_noise", True, "Noise is added on an integer lattice"),
    ("noise_seed_kept", False, "No noise seed is kept"),
    ("domains_are_public", True, "Bounds, bins and codes do not come from rows"),
)


def guarantee_checks(
    policy: Policy, limits: TierLimits, promise: Promise, population: PopulationTotal | None, *, stamp: str
) -> tuple[Check, ...]:
    """Every check of the guarantee; without differential privacy there is one, and it fails.

    Privacy: free.
    """
    if not promise.applies:
        return (_make("private engine", "Differential privacy", "none", "required", "fail", "the engine gives none"),)
    return (
        _make("private engine", "Differential privacy", "patient level", "required", "pass", ""),
        _epsilon(limits, promise, population),
        _delta(limits, promise),
        _unit(promise),
        _accountants(policy, promise),
        *_practices(promise),
        _rehearsal(stamp),
    )


def total_epsilon(promise: Promise, population: PopulationTotal | None) -> float | None:
    """The epsilon the policy judges: of all releases about the population, or of this one when none is known."""
    if population is not None:
        return population.epsilon
    return None if promise.epsilon is None else promise.epsilon.value


def _make(name: str, title: str, observed: str, required: str, outcome: Outcome, reason: str) -> Check:
    return Check(
        id=name,
        group="guarantee",
        title=title,
        observed=observed,
        required=required,
        outcome=outcome,
        reason=reason,
        source="NIST SP 800-226",
    )


def _epsilon(limits: TierLimits, promise: Promise, population: PopulationTotal | None) -> Check:
    total = total_epsilon(promise, population)
    required = f"at most {limits.epsilon_pass:g} passes, at most {limits.epsilon_review:g} is reviewed"
    if total is None:
        return _make("epsilon", "Total epsilon", "unknown", required, "not_measured", "no epsilon was computed")
    shown = number(total, "epsilon")
    if total <= limits.epsilon_pass:
        return _make("epsilon", "Total epsilon", shown, required, "pass", "")
    if total <= limits.epsilon_review:
        why = f"{shown} is above the {limits.epsilon_pass:g} that this kind of recipient may get without review"
        return _make("epsilon", "Total epsilon", shown, required, "review", why)
    return _make("epsilon", "Total epsilon", shown, required, "fail", f"{shown} is above {limits.epsilon_review:g}")


def _delta(limits: TierLimits, promise: Promise) -> Check:
    title, required = "Delta times cohort size", f"at most {limits.delta_times_n:g}; above 1 fails"
    if promise.delta_times_n is None:
        return _make("delta", title, "unknown", required, "not_measured", "no delta was given")
    value = promise.delta_times_n.value
    if value > 1.0:
        return _make("delta", title, f"{value:.3g}", required, "fail", "it allows a whole record to be released")
    passes = value <= limits.delta_times_n
    why = "" if passes else f"{value:.3g} is above {limits.delta_times_n:g}"
    return _make("delta", title, f"{value:.3g}", required, "pass" if passes else "review", why)


def _unit(promise: Promise) -> Check:
    title, required = "Unit and neighbours", "one patient, add/remove one"
    observed = f"{promise.unit}, {promise.neighbours}"
    if not promise.unit.startswith("one patient"):
        return _make("unit", title, observed, required, "fail", f"the unit is {promise.unit}")
    if promise.neighbours != "add/remove one":
        return _make("unit", title, observed, required, "review", f"the neighbours are {promise.neighbours}")
    return _make("unit", title, observed, required, "pass", "")


def _accountants(policy: Policy, promise: Promise) -> Check:
    title, required = "Accountants agree", f"within {policy.limits.accountants_agree * 100:g} %"
    head = [a.epsilon for a in promise.accountants if a.kind == "headline"]
    second = [a.epsilon for a in promise.accountants if a.kind == "second opinion"]
    if len(head) == 0 or len(second) == 0:
        return _make("accountants", title, "one accountant", required, "not_measured", "no second accountant ran")
    gap = max(abs(value - head[0]) for value in second) / max(head[0], 1e-12)
    apart = f"{gap * 100:.1f} % apart"
    if gap > policy.limits.accountants_agree:
        return _make("accountants", title, apart, required, "fail", f"they are {apart}")
    return _make("accountants", title, apart, required, "pass", "")


def _practices(promise: Promise) -> tuple[Check, ...]:
    seen = {
        "poisson_sampling": promise.practices.poisson_sampling,
        "rate_is_public": promise.practices.rate_is_public,
        "steps_are_public": promise.practices.steps_are_public,
        "normaliser_is_public": promise.practices.normaliser_is_public,
        "lattice_noise": promise.practices.lattice_noise,
        "noise_seed_kept": promise.practices.noise_seed_kept,
        "domains_are_public": promise.practices.domains_are_public,
    }
    return tuple(_practice(name, title, seen[name], wanted=wanted) for name, wanted, title in _PRACTICES)


def _practice(name: str, title: str, seen: bool | None, *, wanted: bool) -> Check:  # noqa: FBT001  # one of three states
    if seen is None:
        return _make(f"practice.{name}", title, "unknown", "required", "not_measured", "nobody recorded it")
    if seen is wanted:
        return _make(f"practice.{name}", title, "holds", "required", "pass", "")
    return _make(f"practice.{name}", title, "does not hold", "required", "fail", "the accounting does not describe it")


def _rehearsal(stamp: str) -> Check:
    if stamp == "":
        return _make("rehearsal", "Not a rehearsal", "real run", "real run", "pass", "")
    why = "the noise of a rehearsal can be repeated, so that it protects nobody"
    return _make("rehearsal", "Not a rehearsal", stamp, "real run", "fail", why)
