"""Active learning: which samples to have labelled next, by what an ensemble is uncertain about."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from cocycle.arrays import generator
from cocycle.networks.data import Labelled, Task
from cocycle.networks.ensembles import Make, deep_ensemble, probabilities
from cocycle.networks.training import Recipe
from cocycle.networks.uncertainty import AccuracyMap, Uncertainty, accuracy_map, uncertainty
from cocycle.progress import tracked

# what each strategy makes of the pool, and of a map of accuracies if it asks: the samples with the largest numbers
# are taken
STRATEGIES: dict[str, Callable[[Uncertainty, Callable[[], AccuracyMap], np.random.Generator], np.ndarray]] = {
    "random": lambda found, _, rng: rng.uniform(size=found.entropy.shape),
    "entropy": lambda found, *_: found.entropy,
    "mutual information": lambda found, *_: found.epistemic,
    "accuracy": lambda found, expected, _: -expected()(found),
}


@final
@dataclass(frozen=True)
class Plan:
    """Begin with `start` labels, add `batch` in each round, `rounds` times; ensembles of so many members.

    `strategy` is one of STRATEGIES.  "accuracy" takes the samples whose accuracy is expected to be lowest at their
    entropy and mutual information, by an `accuracy_map` of the calibration samples (Linander et al., arXiv 2211.14605).
    Raises ValueError for another strategy and for numbers below 1.
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
    """How many labels were used (rounds + 1,), the accuracy on test samples then, and which samples, in order."""

    labels: np.ndarray
    accuracy: np.ndarray
    chosen: np.ndarray


def learn_actively(
    task: Task, calibration: Labelled, make: Make, rng: np.random.Generator | int, plan: Plan, recipe: Recipe
) -> Learned:
    """Train ensembles of networks make(rng) on more and more of the training samples, chosen by the plan.

    The first samples and all networks depend on `rng` alone, not on the strategy.  Raises ValueError if there are not
    enough training samples.
    """
    wanted, pool = plan.start + plan.batch * plan.rounds, len(task.training)
    if wanted > pool:
        raise ValueError(f"start + batch * rounds must be at most the {pool} training samples; got {wanted}")
    of_start, of_choice, *of_rounds = generator(rng).spawn(plan.rounds + 3)
    chosen, accuracy = of_start.permutation(pool)[: plan.start], []
    for turn, own in enumerate(tracked(of_rounds, f"active learning, {plan.strategy}")):
        known = Task(task.training[chosen], task.test)
        networks = deep_ensemble(make, known, own, recipe, members=plan.members)
        guesses = probabilities(networks, task.test.inputs).mean(0).argmax(-1)
        accuracy.append((guesses == task.test.targets).mean())
        if turn < plan.rounds:
            chosen = np.concatenate([chosen, _next(networks, task, calibration, chosen, plan, of_choice)])
    labels = plan.start + plan.batch * np.arange(plan.rounds + 1)
    return Learned(labels, np.array(accuracy), chosen)


def _next(networks, task: Task, calibration: Labelled, chosen: np.ndarray, plan: Plan, rng) -> np.ndarray:
    """The samples to label in the next round."""
    rest = np.setdiff1d(np.arange(len(task.training)), chosen)

    def expected():
        found = probabilities(networks, calibration.inputs)
        right = found.mean(0).argmax(-1) == calibration.targets
        return accuracy_map(uncertainty(found), right, bins=plan.bins)

    scores = STRATEGIES[plan.strategy](uncertainty(probabilities(networks, task.training.inputs[rest])), expected, rng)
    ties = rng.permutation(len(rest))  # of equal scores a random one first
    return rest[ties[np.argsort(-scores[ties], kind="stable")[: plan.batch]]]
