"""`cocycle doctor` tells what is installed, and notices when something is wrong."""

import numpy as np
import pytest

from cocycle.cli import doctor, main


def test_a_sound_installation(capsys):
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for name in ("python", "numpy", "h5py", "cores", "devices", *(check.__name__ for check in doctor.CHECKS)):
        assert f"\n{name} " in f"\n{said}"
    assert "WRONG" not in said


@pytest.mark.parametrize("check", doctor.CHECKS[:3], ids=lambda check: check.__name__)
def test_what_is_wrong_is_told(check, monkeypatch, capsys):
    """A spectrum without its negative exponents, a rate that is not one, a sweep that returns nonsense."""

    def wrong(*arguments, **options):
        result = right(*arguments, **options)
        if check is doctor.archive:
            return {"square": np.zeros(8)}
        result.growth[...] = abs(result.growth)
        return result

    name = "run" if check is doctor.archive else "lyapunov_spectrum"
    right = getattr(doctor, name)
    monkeypatch.setattr(doctor, name, wrong)
    monkeypatch.setattr(doctor, "CHECKS", (check,))
    assert main(["doctor"]) == 1
    assert "WRONG" in capsys.readouterr().out
