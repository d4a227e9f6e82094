"""What came of attacks: counts by class, and the details of every fault."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import final

import numpy as np

DETAILS = 3  # of the faults of one attack that are printed


@final
@dataclass
class Row:
    """An attack and its counts: `safe` are the classes that may happen, `faults` those that never must."""

    attack: str
    safe: dict[str, int]
    faults: dict[str, int]
    details: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, attack: str, safe: Iterable[str], faults: Iterable[str]) -> "Row":
        return cls(attack, dict.fromkeys(safe, 0), dict.fromkeys(faults, 0))

    def add(self, found: str, detail: str = "") -> None:
        """Count one case.  A class that nobody expected is a fault."""
        if found in self.safe:
            self.safe[found] += 1
            return
        self.faults[found] = self.faults.get(found, 0) + 1
        self.details.append(f"{self.attack}: {found}: {detail}")

    @property
    def cases(self) -> int:
        return sum(self.safe.values()) + sum(self.faults.values())


def table(rows: Iterable[Row]) -> str:
    """The rows in markdown."""
    lines = ["| attack | cases | what came of it | must be 0 |", "|---|---:|---|---|"]
    for row in rows:
        never = _words(row.faults) or f"0 ({', '.join(row.faults)})"
        lines.append(f"| {row.attack} | {row.cases} | {_words(row.safe)} | {never} |")
    return "\n".join(lines)


def faults(rows: Iterable[Row]) -> list[str]:
    """The details of the first faults of each attack."""
    return [detail for row in rows for detail in row.details[:DETAILS]]


def scaled(count: int, scale: float) -> int:
    """How many cases of `count` there are at a scale: at least one."""
    return max(1, round(count * scale))


def generator(seed: int, name: str) -> np.random.Generator:
    """The random numbers of one attack: they do not depend on which others are made."""
    return np.random.default_rng([seed, *name.encode()])


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count)
