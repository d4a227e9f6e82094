"""The parts of benchmarks/attacks.py: what is attacked, and how."""
