"""The table of the spectra of dysts' systems, from their archive."""

import numpy as np

from cocycle.results import bracketed
from cocycle.studies.dysts_spectra import SURE, WORDS, Check, Method
from cocycle.sweeps import Archive, Status

METHODS = {
    Method.MAP: "map",
    Method.RUNGE_KUTTA: "RK4",
    Method.RADAU: "Radau",
    Method.DELAY: "RK4 of the history",
}
COLUMNS = (
    "system",
    "exponents per unit time",
    "Kaplan-Yorke dimension",
    "dysts: exponents; dimension",
    "off by",
    "steps, dt, time",
    "why not to be trusted",
)


def in_words(archive: Archive) -> str:
    """The rows as a markdown table, below it how many are trusted, and how many of dysts' estimates are off."""
    data = {name: archive[name] for name in archive.outputs}
    rows, trusted, compared, off = [], 0, 0, []
    for i, name in enumerate(archive.grid.axes["system"].tolist()):
        if archive.status[i] != Status.DONE:
            rows.append(f"| {name} | | | | | | {_reason(archive, i)} |")
            continue
        row = {key: np.asarray(values[i]) for key, values in data.items()}
        wrong = [check for check in Check if int(row["failed"]) & check]
        trusted += not wrong
        apart = _apart(row)
        if apart is not None and not wrong:
            compared += 1
            off += [name] if apart > SURE else []
        rows.append(_row(name, row, apart, wrong))
    counts = (
        f"{trusted} of {len(rows)} systems hold all checks.  Of {compared} of these dysts has estimates of the"
        f" spectrum; {len(off)} have an exponent that is off by more than {SURE:g} standard errors."
    )
    head = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    return "\n".join([*head, *rows, "", counts])


def _row(name: str, row: dict[str, np.ndarray], apart: float | None, wrong: list[Check]) -> str:
    n = int(np.isfinite(row["exponents"]).sum())
    mine = ", ".join(
        bracketed(float(v), float(e), ".4g") for v, e in zip(row["exponents"][:n], row["errors"][:n], strict=True)
    )
    theirs = ", ".join(f"{value:.4g}" for value in row["estimates"] if np.isfinite(value))
    if np.isfinite(row["estimated_dimension"]):
        theirs += f"; {float(row['estimated_dimension']):.4g}"
    value, error = float(row["dimension"]), float(row["dimension_error"])
    dimension = "" if np.isnan(value) else bracketed(value, error, ".4g")
    steps = f"{METHODS[Method(int(row['method']))]}, dt {float(row['dt']):.3g}, T {float(row['time']):.3g}"
    distance = "" if apart is None else f"{apart:.0f}"
    return f"| {name} | {mine} | {dimension} | {theirs} | {distance} | {steps} | {'; '.join(WORDS[c] for c in wrong)} |"


def _apart(row: dict[str, np.ndarray]) -> float | None:
    """The largest difference of dysts' exponents from ours in standard errors; None where dysts has no spectrum."""
    theirs = row["estimates"]
    known = np.isfinite(theirs) & np.isfinite(row["exponents"])
    if known.sum() < np.isfinite(row["exponents"]).sum():
        return None
    errors = np.maximum(row["errors"], row["halved_errors"])[known]
    floor = 1e-3 * abs(row["exponents"][known]).max()  # of zero exponents and of regular motion
    return float((abs(theirs[known] - row["exponents"][known]) / np.maximum(errors, floor)).max())


def _reason(archive: Archive, i: int) -> str:
    message = archive.messages().get((i,), "not computed")
    return message.splitlines()[0].replace("|", "/")[:160]
