from . import (
    cli as cli,
)
from . import (
    lyapunov as lyapunov,
)
from . import (
    networks as networks,
)
from . import (
    plotting as plotting,
)
from . import (
    reservoir as reservoir,
)
from . import (
    studies as studies,
)
from . import (
    sweeps as sweeps,
)
from . import (
    systems as systems,
)
from . import (
    testing as testing,
)
from .adjoint_maps import (
    adjoint as adjoint,
)
from .compiled import (
    Compiled as Compiled,
)
from .driven import (
    Coupled as Coupled,
)
from .flows import (
    Flow as Flow,
)
from .lyapunov import (
    Diverged as Diverged,
)
from .lyapunov import (
    Spectrum as Spectrum,
)
from .lyapunov import (
    covariant_vectors as covariant_vectors,
)
from .lyapunov import (
    finite_time_exponents as finite_time_exponents,
)
from .lyapunov import (
    frame as frame,
)
from .lyapunov import (
    ftle as ftle,
)
from .lyapunov import (
    kaplan_yorke as kaplan_yorke,
)
from .lyapunov import (
    lyapunov_spectrum as lyapunov_spectrum,
)
from .lyapunov import (
    orthonormalise as orthonormalise,
)
from .lyapunov import (
    plane as plane,
)
from .lyapunov import (
    qr_steps as qr_steps,
)
from .maps import (
    Composed as Composed,
)
from .maps import (
    Linear as Linear,
)
from .maps import (
    Map as Map,
)
from .maps import (
    Relaxed as Relaxed,
)
from .maps import (
    Select as Select,
)
from .maps import (
    VectorField as VectorField,
)
from .maps import (
    orbit as orbit,
)
from .maps import (
    trajectory as trajectory,
)
from .networks import (
    ERF as ERF,
)
from .networks import (
    LINEAR as LINEAR,
)
from .networks import (
    RELU as RELU,
)
from .networks import (
    TANH as TANH,
)
from .networks import (
    Activation as Activation,
)
from .networks import (
    Autodiff as Autodiff,
)
from .networks import (
    Layer as Layer,
)
from .networks import (
    Residual as Residual,
)
from .networks import (
    feedforward as feedforward,
)
from .plotting import (
    plot as plot,
)
from .progress import (
    show_progress as show_progress,
)
from .reservoir import (
    Forecaster as Forecaster,
)
from .reservoir import (
    Reservoir as Reservoir,
)
from .reservoir import (
    diagnose as diagnose,
)
from .reservoir import (
    forecast as forecast,
)
from .reservoir import (
    load as load,
)
from .reservoir import (
    save as save,
)
from .reservoir import (
    train as train,
)
from .reservoir import (
    valid_time as valid_time,
)
from .reservoir import (
    valid_times as valid_times,
)
from .sweeps import (
    Archive as Archive,
)
from .sweeps import (
    Grid as Grid,
)
from .sweeps import (
    run as run,
)

__version__: str
