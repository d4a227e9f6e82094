import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    from archives import computed

    return computed(tmp_path_factory.mktemp("archives") / "sweep.h5")
