"""What figures call the quantities of this package: words and a symbol, in matplotlib's mathtext where it has an index
of letters, for each name in code; units in words."""

import re
from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "bias_std": "bias scale $σ_b$",
    "exponent": "exponent λ",
    "exponent_error": "standard error of λ",
    "input_std": r"input scale $σ_\mathrm{in}$",
    "lambda1": "maximal exponent λ₁",
    "lambda2": "exponent λ₂",
    "lambda3": "exponent λ₃",
    "leak": "leak rate α",
    "leak_rate": "leak rate α",
    "log_factor": "ln Λ₁",
    "observed": "observed components",
    "realisation": "realisation",
    "ridge": "ridge parameter β",
    "spectral_radius": "spectral radius ρ",
    "threshold_std": "threshold scale $σ_θ$",
    "valid_time": "valid time",
    "weight_std": "weight scale $σ_W$",
}
UNITS: Mapping[str, str] = {
    "1": "",
    "1/step": "per step",
    "1/layer": "per layer",
    "1/time": "per unit time",
    "1/unit time": "per unit time",
    "1/iteration": "per step",
    "per iteration": "per step",
}
OF_INPUTS = "per unit of the signal"  # the unit of an input scale
TIMES: Mapping[str, str] = {
    "per step": "time (steps)",
    "per layer": "layers",
    "per unit time": "time (units of the system)",
}
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def words(name: str) -> str:
    """A name in code in words, with its symbol where there is one; underscores of other names are spaces."""
    return WORDS.get(name, name.replace("_", " "))


def unit_words(unit: str) -> str:
    """A unit as figures write it: per step, per layer, per unit time for rates; others as they are."""
    return UNITS.get(unit, unit)


def with_unit(quantity: str, unit: str | None) -> str:
    """quantity (unit); without brackets where there is no unit."""
    unit = unit_words(unit or "")
    return f"{quantity} ({unit})" if unit else quantity


def without_marks(text: str) -> str:
    """Words of a figure as plain text: σ_in of $σ_\\mathrm{in}$."""
    return re.sub(r"\$([^$]*)\$", lambda found: re.sub(r"\\[a-z]+|[{}]", "", found[1]), text)


def indexed(symbol: str, i: int) -> str:
    """λ₁ for ("λ", 1)."""
    return symbol + str(i).translate(SUBSCRIPTS)
