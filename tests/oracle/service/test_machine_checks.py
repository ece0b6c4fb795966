"""What the doctor says of the machine."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from gridwitness.errors import ConfigError, StoreError
from gridwitness.service import machine_checks
from gridwitness.service.machine_checks import check_cryptography, check_disk, check_secrets


def test_check_cryptography__native_libraries__says_what_they_do_in_a_second() -> None:
    assert "verifications" in check_cryptography()


def test_check_cryptography__slow_fallback__is_seen_by_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(*_: object) -> bool:
        return sum(range(200_000)) > 0

    monkeypatch.setattr(machine_checks, "is_signature_of", slowly)
    with pytest.raises(ConfigError, match="secp256k1 verifications a second; 1000 is the least"):
        check_cryptography()


def test_check_disk__little_free__names_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "fsync a second" in check_disk(tmp_path)
    monkeypatch.setattr(machine_checks.shutil, "disk_usage", lambda _: SimpleNamespace(free=5 << 20))
    with pytest.raises(StoreError, match="5 MiB free; it should be 1024 or more"):
        check_disk(tmp_path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_check_secrets__others_can_read__names_file_and_remedy(tmp_path: Path, mode: int) -> None:
    secret, shared = tmp_path / "secret", tmp_path / "shared"
    for file, bits in ((secret, 0o600), (shared, mode)):
        file.touch()
        file.chmod(bits)
    assert check_secrets([secret]) == "secret: readable by the owner only"
    with pytest.raises(ConfigError, match=f"shared can be read by others \\(mode {mode:o}\\)") as caught:
        check_secrets([secret, shared])
    assert caught.value.hint == f"chmod 600 {shared}"
