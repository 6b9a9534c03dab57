from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.tiny_model import make_artifact


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model, for what does not depend on what it finds."""
    return make_artifact(tmp_path_factory.mktemp("model"), "full_int8")
