"""What an oracle needs of its machine: quick cryptography, a disk that keeps what it gets, a clock, kept secrets."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import sqlite3
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path

from eth_keys.backends import get_backend

from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import P256Key, Secp256k1Key, is_signature_of
from gridwitness.errors import ConfigError, StoreError

MIN_FREE_BYTES = 1 << 30
# Python alone does some 150 of either a second, the slowest machine with the native libraries thousands.
MIN_VERIFICATIONS_PER_S = 1_000
MIN_SYNCS_PER_S = 10
_MEASURE_S = 0.1
_SYNCS = 20
_STA_UNSYNC = 0x40  # linux/timex.h
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def check_cryptography() -> str:
    """Whether the native libraries do the work, by what they do in a second. Raises ConfigError if not."""
    missing = [module for module in ("coincurve", "cryptography", "sha3") if find_spec(module) is None]
    if missing:
        raise ConfigError(f"{', '.join(missing)} missing: signatures would take 100 times as long")
    backend = type(get_backend()).__name__
    if "CoinCurve" not in backend:
        raise ConfigError(f"eth-keys uses {backend}, not coincurve", hint="unset ECC_BACKEND_CLASS")
    rates = {"secp256k1": _verifications(Secp256k1Key(7)), "P-256": _verifications(P256Key(7))}
    for curve, rate in rates.items():
        if rate < MIN_VERIFICATIONS_PER_S:
            raise ConfigError(f"{rate:.0f} {curve} verifications a second; {MIN_VERIFICATIONS_PER_S} is the least")
    hashes = _per_second(lambda: keccak(b"\x07" * 32))
    numba = "with numba" if find_spec("numba") else "without numba (gridwitness[fast])"
    figures = ", ".join(f"{rate:.0f} {curve}" for curve, rate in rates.items())
    return f"{figures} verifications and {hashes:.0f} keccak hashes a second, {numba}"


def _verifications(key: Secp256k1Key | P256Key) -> float:
    digest = keccak(b"gridwitness doctor")
    signature = key.sign(digest)
    return _per_second(lambda: is_signature_of(key.device_id, digest, signature))


def _per_second(work: Callable[[], object]) -> float:
    """How often it can be done in a second of this thread's own time."""
    done, started = 0, time.thread_time()
    while (spent := time.thread_time() - started) < _MEASURE_S:
        work()
        done += 1
    return done / spent


def check_data_folder(folder: Path) -> str:
    """Whether a database can be kept in a folder. Raises StoreError if not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=folder) as scratch:
            database = sqlite3.connect(Path(scratch) / "probe.sqlite")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE probe (value INTEGER)")
            database.commit()
            database.close()
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{folder}: {error}", hint="correct data_dir or its permissions") from error
    return str(folder)


def check_disk(folder: Path) -> str:
    """Free space, and how often the disk can be made to keep something. Raises StoreError if it is too little."""
    try:
        free = shutil.disk_usage(folder).free
        rate = _syncs_per_second(folder)
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}") from error
    if free < MIN_FREE_BYTES:
        raise StoreError(f"{free >> 20} MiB free; it should be {MIN_FREE_BYTES >> 20} or more")
    if rate < MIN_SYNCS_PER_S:
        raise StoreError(f"{rate:.1f} fsync a second; {MIN_SYNCS_PER_S} is the least", hint="use a local disk")
    return f"{free / (1 << 30):.1f} GiB free, {rate:.0f} fsync a second"


def _syncs_per_second(folder: Path) -> float:
    with tempfile.TemporaryFile(dir=folder) as file:
        started = time.perf_counter()
        for _ in range(_SYNCS):
            file.write(b"\0" * 4_096)
            file.flush()
            os.fsync(file.fileno())
        return _SYNCS / (time.perf_counter() - started)


def check_port(listen: str) -> str:
    """Whether one can listen at host:port. Raises ConfigError if not."""
    host, _, port = listen.rpartition(":")
    try:
        with socket.create_server((host.strip("[]"), int(port)), reuse_port=False):
            return f"{listen} can be used"
    except (OSError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{listen}: {reason}", hint="is an oracle running already?") from error


def check_secrets(files: Iterable[Path]) -> str:
    """Whether files are readable by their owner only. Raises ConfigError naming the first that others can read."""
    names = []
    for file in files:
        try:
            mode = file.stat().st_mode
        except OSError as error:
            raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
        if mode & _OTHERS:
            raise ConfigError(f"{file} can be read by others (mode {mode & 0o777:o})", hint=f"chmod 600 {file}")
        names.append(file.name)
    return f"{', '.join(names)}: readable by the owner only"


class _Timex(ctypes.Structure):
    """Beginning of linux/timex.h's struct timex, and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def is_clock_kept() -> bool | None:
    """Whether something (chrony, systemd-timesyncd, ntpd) keeps the kernel's clock; None if the kernel does not say."""
    if sys.platform != "linux":
        return None
    state = _Timex()
    if ctypes.CDLL(None).adjtimex(ctypes.byref(state)) < 0:
        return None
    return not state.status & _STA_UNSYNC
