"""Active learning: which samples to label next, chosen by the uncertainty of an ensemble."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from cocycle.arrays import generator
from cocycle.networks.data import Dataset, Labelled
from cocycle.networks.ensembles import Make, deep_ensemble, probabilities
from cocycle.networks.training import Recipe
from cocycle.networks.uncertainty import AccuracyMap, Uncertainty, accuracy_map, uncertainty
from cocycle.progress import tracked

# the score that each strategy gives to the samples of the pool, of which the largest are labelled next; the second
# argument makes the accuracy map, which only one of them needs
STRATEGIES: dict[str, Callable[[Uncertainty, Callable[[], AccuracyMap], np.random.Generator], np.ndarray]] = {
    "random": lambda found, _, rng: rng.uniform(size=found.entropy.shape),
    "entropy": lambda found, *_: found.entropy,
    "mutual information": lambda found, *_: found.epistemic,
    "accuracy": lambda found, expected, _: -expected()(found),
}


@final
@dataclass(frozen=True)
class Plan:
    """Begin with `start` labels and add `batch` in each of the `rounds`; each ensemble has so many `members`.

    `strategy` is one of STRATEGIES.  "accuracy" takes the samples with the lowest expected accuracy at their entropy
    and mutual information, by an `accuracy_map` of the calibration samples (Linander et al., arXiv 2211.14605). Raises
    ValueError for another strategy and for numbers below 1.
    """

    strategy: str
    start: int = 50
    batch: int = 20
    rounds: int = 10
    members: int = 5
    bins: int = 15

    def __post_init__(self):
        if self.strategy not in STRATEGIES:
            raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}; got {self.strategy!r}")
        if min(self.start, self.batch, self.rounds, self.members, self.bins) < 1:
            raise ValueError(f"start, batch, rounds, members and bins must be at least 1; got {self}")


@final
@dataclass(frozen=True, eq=False)
class Learned:
    """The number of labels in each round (rounds + 1,), the accuracy on the test set with them (rounds + 1,), and the
    indices of the labelled samples in the order in which they were chosen."""

    labels: np.ndarray
    accuracy: np.ndarray
    chosen: np.ndarray


def learn_actively(
    dataset: Dataset, calibration: Labelled, make: Make, rng: np.random.Generator | int, plan: Plan, recipe: Recipe
) -> Learned:
    """Train ensembles of networks make(rng) on a growing part of the training samples, chosen by the plan.

    The first samples and all initial networks depend on `rng` alone, not on the strategy.  Raises ValueError if there
    are not enough training samples.
    """
    wanted, pool = plan.start + plan.batch * plan.rounds, len(dataset.training)
    if wanted > pool:
        raise ValueError(f"start + batch * rounds must be at most the {pool} training samples; got {wanted}")
    of_start, of_choice, *of_rounds = generator(rng).spawn(plan.rounds + 3)
    chosen, accuracy = of_start.permutation(pool)[: plan.start], []
    for turn, own in enumerate(tracked(of_rounds, f"active learning, {plan.strategy}")):
        known = Dataset(dataset.training[chosen], dataset.test)
        networks = deep_ensemble(make, known, own, recipe, members=plan.members)
        guesses = probabilities(networks, dataset.test.inputs).mean(0).argmax(-1)
        accuracy.append((guesses == dataset.test.targets).mean())
        if turn < plan.rounds:
            chosen = np.concatenate([chosen, _next(networks, dataset, calibration, chosen, plan, of_choice)])
    labels = plan.start + plan.batch * np.arange(plan.rounds + 1)
    return Learned(labels, np.array(accuracy), chosen)


def _next(networks, dataset: Dataset, calibration: Labelled, chosen: np.ndarray, plan: Plan, rng) -> np.ndarray:
    """The indices of the samples to label in the next round."""
    rest = np.setdiff1d(np.arange(len(dataset.training)), chosen)

    def expected():
        found = probabilities(networks, calibration.inputs)
        right = found.mean(0).argmax(-1) == calibration.targets
        return accuracy_map(uncertainty(found), right, bins=plan.bins)

    scores = STRATEGIES[plan.strategy](
        uncertainty(probabilities(networks, dataset.training.inputs[rest])), expected, rng
    )
    ties = rng.permutation(len(rest))  # equal scores in random order
    return rest[ties[np.argsort(-scores[ties], kind="stable")[: plan.batch]]]
