"""The record of timings is compared and replaced; a slower case is printed and is no error."""

import json

import pytest

from benchmark_modules import ROOT, loaded


@pytest.fixture
def record(tmp_path, monkeypatch):
    module = loaded("record")
    for name, value in {"RECORD": tmp_path / "record.json", "SIZE": 10, "STEPS": 50, "REPEATS": 1}.items():
        monkeypatch.setattr(module, name, value)
    return module


def test_a_record_is_written_and_compared(record, capsys):
    record.main(["--write"])
    written = json.loads(record.RECORD.read_text())
    assert set(written["seconds"]) == {case.__name__ for case in record.CASES}
    written["seconds"] = dict.fromkeys(written["seconds"], 1e-6)  # whatever is measured now is slower
    record.RECORD.write_text(json.dumps(written))
    record.main([])
    printed = capsys.readouterr().out
    assert "ratio" in printed
    assert all(case.__name__ in printed for case in record.CASES)


def test_the_committed_record_has_these_cases(record):
    committed = json.loads((ROOT / "benchmarks/record.json").read_text())
    assert set(committed["seconds"]) == {case.__name__ for case in record.CASES}
    assert {"command", "date", "commit", "machine"} <= set(committed)
