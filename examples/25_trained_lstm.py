# %% [markdown]
# # A trained LSTM, fed its own output
#
# An LSTM and a linear readout learn to predict the Lorenz series one step ahead.  The same function then gives the
# exponents of the network driven by the series, and of the autonomous network that is fed its own output.

# %%
from itertools import repeat

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from cocycle import frame, lyapunov_spectrum
from cocycle.networks import RecurrentForecaster
from cocycle.systems import Lorenz63

torch.set_num_threads(1)
dt, length = 0.05, 50
series = Lorenz63().series(6000, dt=dt, rng=1)
series = (series - series.mean(0)) / series.std(0)

# %% Training by Adam on pieces of the series, in single precision
torch.manual_seed(1)
lstm, head = nn.LSTM(3, 32), nn.Linear(32, 3)
parameters = [*lstm.parameters(), *head.parameters()]
steps, rng, data = 1500, np.random.default_rng(2), torch.as_tensor(series[:5000], dtype=torch.float32)
optimiser = torch.optim.Adam(parameters, lr=0.01)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
for step in range(steps):
    starts = rng.integers(0, len(data) - length - 1, size=32)
    piece = torch.stack([data[a : a + length + 1] for a in starts], dim=1)
    loss = (head(lstm(piece[:-1])[0][5:]) - piece[6:]).square().mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    schedule.step()
    if (step + 1) % 500 == 0:
        print(f"step {step + 1}: mean squared error of one step {loss.detach().item():.1e}")

# %% The network driven by the series: it forgets its initial state
model = RecurrentForecaster(lstm.double(), head.double())
x = model.warmed(series[:5000])
conditional = lyapunov_spectrum(model.driven(series[:2000]), x, frame(x, 2), transient=100)
print("driven by the series, per unit time:", (conditional.exponents / dt).round(2))

# %% The network fed its own output: the exponents of Lorenz are 0.9056, 0, -14.57
closed = lyapunov_spectrum(repeat(model.closed, 10_000), x, frame(x, 3), transient=500)
print(
    f"fed its own output: first exponent {closed.exponents[0] / dt:.3f} ± {closed.standard_error[0] / dt:.3f} per unit"
    " time, that of Lorenz is 0.9056"
)
print("all three:", (closed.exponents / dt).round(2))

# %% The forecast beside the series
values = model.forecast(series[:5000], 300)
time = dt * np.arange(300)
fig, ax = plt.subplots(figsize=(6, 2.6), constrained_layout=True)
ax.plot(time, series[5000:5300, 0], label="series")
ax.plot(time, values[:, 0], "--", label="LSTM")
ax.set(xlabel="time (units of the system)", ylabel="x, standardised")
ax.legend()
plt.show()
