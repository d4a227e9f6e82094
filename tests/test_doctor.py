"""`cocycle doctor` prints what is installed, and a wrong result fails its check."""

import numpy as np
import pytest

from cocycle.cli import doctor, main


def test_a_sound_installation(capsys):
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    for name in ("python", "numpy", "h5py", "cores", "devices", *(check.__name__ for check in doctor.CHECKS)):
        assert f"\n{name} " in f"\n{printed}"
    assert "WRONG" not in printed


@pytest.mark.parametrize("check", doctor.CHECKS[:3], ids=lambda check: check.__name__)
def test_a_wrong_result_is_reported(check, monkeypatch, capsys):
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
