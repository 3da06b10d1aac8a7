"""The dumps of running Envoys that fit their files."""

from pathlib import Path

import pytest

from harness.inspected import Base, Inspected, inspected


@pytest.fixture(scope="session")
def base(envoy_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Base:
    """`base(name)` is a copy of the dump of a base's Envoy, which runs only as long as that takes."""
    found: dict[str, Inspected] = {}

    def copied(name: str) -> Inspected:
        if name not in found:
            found[name] = inspected(name, envoy_binary, tmp_path_factory.mktemp("base"))
        return found[name].copy()

    return copied
