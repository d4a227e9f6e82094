# %% [markdown]
# # When is a double pendulum chaotic?
#
# Two equal bars without mass, each of length 1 with a mass 1 at its end; gravity is 1, so that 1 / √g is the unit of
# time.  The state has the two angles from the vertical and their canonical momenta.  The equations are a plain
# function; their derivative follows from them.

# %%
from itertools import repeat

import matplotlib.pyplot as plt
import numpy as np

from cocycle import Flow, frame, lyapunov_spectrum, poincare_section, trajectory


def pendulum(state):
    a, b, p, q = state
    c, s = np.cos(a - b), np.sin(a - b)
    a_rate, b_rate = (p - q * c) / (1 + s**2), (2 * q - p * c) / (1 + s**2)
    force = a_rate * b_rate * s
    return a_rate, b_rate, -2 * np.sin(a) - force, -np.sin(b) + force


def energy(states):
    a, b, p, q = np.moveaxis(states, -1, 0)
    a_rate, b_rate, *_ = pendulum((a, b, p, q))
    return (p * a_rate + q * b_rate) / 2 - 2 * np.cos(a) - np.cos(b)


# %% [markdown]
# ## Energy is conserved by the equations, not by the integrator
# Its error is a check of the step.  The method is of fourth order: the energy it loses in a given time decreases with
# the fifth power of dt.

# %%
x = np.array([2.0, 2.5, 0.0, 0.0])  # at rest
for dt in (0.05, 0.02):
    states = trajectory(repeat(Flow(pendulum, dt), int(2000 / dt)), x)
    error = abs(energy(states) - energy(x)).max()
    print(f"dt = {dt}: energy {energy(x):.4f}, largest error {error:.1e} in 2000 units of time")

# %% [markdown]
# ## Four exponents
# The equations are Hamilton's, so that exponents come in pairs of opposite sign.  Two of them are zero, one along the
# flow and one across the surfaces of equal energy; of a finite run they decrease as ln T / T.  The run
# ends when the standard error of the first exponent is at most 0.005; the others may have any error.

# %%
flow = Flow(pendulum, 0.02)
until = (0.005, np.inf, np.inf, np.inf)
result = lyapunov_spectrum(repeat(flow, 2_000_000), x, frame(x, 4), every="auto", until=until)
for i, (value, error) in enumerate(zip(result.exponents, result.standard_error, strict=True), 1):
    print(f"λ{i} = {value:8.5f} ± {error:.5f}")
print(f"λ1 + λ4 = {result.exponents[0] + result.exponents[3]:.1e}, λ2 + λ3 = {result.exponents[1:3].sum():.1e}")
print(f"after {result.maps} steps, {result.loop}; energy changed by {energy(result.x) - energy(x):.1e}")

# %% [markdown]
# ## Poincaré sections
# The states at which the upper bar passes the vertical with positive angular velocity.  At a given energy they are
# points of a plane: the angle and the momentum of the lower bar determine the velocity of the upper one.  An orbit that
# is not chaotic lies on a torus, and its points on curves.  Its largest exponent is zero; that of a finite run
# decreases as ln T / T.  At energies below -1 no bar can turn over.


# %%
def on_the_section(energy, b, part):
    """The state at a = 0 with the momentum of the lower bar as a part of its largest possible value."""
    room = 2 * (energy + 2 + np.cos(b))  # q² and (1 + sin² b) a_rate² together
    q = part * np.sqrt(room)
    a_rate = np.sqrt((room - q**2) / (1 + np.sin(b) ** 2))
    return np.array([0.0, b, (1 + np.sin(b) ** 2) * a_rate + q * np.cos(b), q])


def chaotic(result):
    """Whether the first exponents are clearly larger than those of regular orbits of this length, with this limit."""
    time = float(result.times.sum())
    limit = 5 * np.log(time) / time
    return result.exponents[:, 0] > limit, limit


figure, panels = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained")
for ax, level in zip(panels, (-2.4, -1.8, -1.0), strict=True):
    furthest = np.arccos(-level - 2)  # the largest angle of the lower bar at this energy
    starts = [on_the_section(level, b * furthest, part) for b in (0.0, 0.45) for part in np.linspace(-0.95, 0.95, 9)]
    exponents = lyapunov_spectrum(repeat(flow, 200_000), np.stack(starts), frame(np.stack(starts), 1), every="auto")
    are_chaotic, limit = chaotic(exponents)
    for start, is_chaotic in zip(starts, are_chaotic, strict=True):
        section = poincare_section(flow, start, lambda u: u[0], crossings=600, transient=0)
        colour = "tab:red" if is_chaotic else "tab:blue"
        ax.plot(section.states[:, 1], section.states[:, 3], ".", color=colour, markersize=2, markeredgewidth=0)
    print(f"energy {level}: λ1 above 5 ln T / T = {limit:.3f} for {are_chaotic.sum()} of {len(starts)} orbits")
    ax.set(title=f"energy {level}", xlabel="angle of the lower bar (radians)")
panels[0].set_ylabel("its momentum")
panels[0].plot([], [], ".", color="tab:red", label="chaotic")
panels[0].plot([], [], ".", color="tab:blue", label="regular")
figure.legend(loc="outside right upper", frameon=False)
plt.show()
print(f"the last of them: {section}; its energy is off by {abs(energy(section.states) - level).max():.0e} at most")

# %% [markdown]
# ## The largest exponent against the initial angle
# Both bars are released at rest from the same angle, so that the energy is -3 cos(angle).  A batch of states is
# computed in one call, on two threads.

# %%
angles = np.linspace(0.05, np.pi - 0.05, 300)
released = np.stack([angles, angles, 0 * angles, 0 * angles], axis=-1)
largest = lyapunov_spectrum(repeat(flow, 50_000), released, frame(released, 1), every="auto", threads=2)
are_chaotic, limit = chaotic(largest)
print(f"{are_chaotic.sum()} of {len(angles)} orbits are chaotic, λ1 > {limit:.3f}")
print(f"the first of them is at the angle {angles[are_chaotic][0]:.2f}, energy {energy(released)[are_chaotic][0]:.2f}")
print(f"energies changed by {abs(energy(largest.x) - energy(released)).max():.0e} at most")

figure, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
ax.axhline(0, color="black", linewidth=0.8)
ax.errorbar(angles, largest.exponents[:, 0], 2 * largest.standard_error[:, 0], fmt=".", markersize=3, linewidth=0.6)
ax.set(xlabel="angle from which both bars are released (radians)", ylabel="λ₁ ± 2 standard errors (per unit time)")
above = ax.secondary_xaxis("top", functions=(lambda angle: -3 * np.cos(angle), lambda e: np.arccos(-e / 3)))
above.set(xlabel="energy", xticks=[-2.9, -2, -1, 0, 1, 2, 2.9])
plt.show()
