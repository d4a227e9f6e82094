"""What orbits of a map or an equation do: where they cross a surface, and how that changes with a parameter."""

from cocycle.orbits.bifurcation import BifurcationDiagram, bifurcation_diagram
from cocycle.orbits.section import Section, poincare_section

__all__ = ["BifurcationDiagram", "Section", "bifurcation_diagram", "poincare_section"]
