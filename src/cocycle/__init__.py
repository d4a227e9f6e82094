"""Networks as dynamical systems: every network is a discrete map, one Lyapunov engine serves them all.

The public names are listed in `__init__.pyi`, with where each is defined; each is imported when it is first asked for.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ = [name for name in __all__ if name not in ("Autodiff", "feedforward")]  # pyright: ignore[reportUnsupportedDunderAll]  # torch may be missing
