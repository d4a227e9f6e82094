"""Plain functions as maps and equations: traced on symbols, differentiated, compiled."""

from cocycle.formulas.formula import Equation, Formula
from cocycle.formulas.refused import NotTraceable

__all__ = ["Equation", "Formula", "NotTraceable"]
