"""One thread for each process, before numpy is imported; and the examples of the documents may write files."""

import os

import pytest

collect_ignore = ["docs/conf.py", "docs/_ext"]  # they are the site's: conf.py copies files when it is imported

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # pytest itself runs a process for each core


@pytest.fixture(autouse=True)
def folder_of_a_document(request, tmp_path, monkeypatch):
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.chdir(tmp_path)
