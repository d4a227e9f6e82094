"""The examples of the documents may write files: each runs in an empty folder."""

import pytest


@pytest.fixture(autouse=True)
def folder_of_a_document(request, tmp_path, monkeypatch):
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.chdir(tmp_path)
