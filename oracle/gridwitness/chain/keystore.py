"""Keys on disk: encrypted keystore files (Web3 Secret Storage, version 3), the password in a file of its own.

No private key ever stands in an environment variable or in the settings.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from gridwitness.errors import ConfigError

_LIGHT_SCRYPT_N = 4_096  # as geth's --lightkdf; the default takes a second to open


def write_keystore(path: Path, key: bytes, password_file: Path, *, light: bool = False) -> LocalAccount:
    """Write a private key (32 bytes) to a new keystore file that only its owner can read.

    `light` makes guessing the password cheaper by a factor of 64; it is for keys that guard nothing. Raises ConfigError
    if the file exists already (a key is never overwritten) or the password file is unusable.
    """
    password = read_password(password_file)
    account: LocalAccount = Account.from_key(key)
    keystore = json.dumps(Account.encrypt(key, password, iterations=_LIGHT_SCRYPT_N if light else None))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(
            f"keystore {path} exists already", hint="choose another file: keys are not replaced"
        ) from None
    except OSError as error:
        raise ConfigError(f"keystore {path} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(keystore)
        file.flush()
        os.fsync(file.fileno())
    return account


def load_account(path: Path, password_file: Path) -> LocalAccount:
    """The account of a keystore file. Raises ConfigError if a file is missing or the password is wrong."""
    password = read_password(password_file)
    try:
        keystore = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"keystore {path} not found", hint="`cast wallet new` or `geth account new` make one"
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"keystore {path} cannot be read: {error}") from error
    try:
        account: LocalAccount = Account.from_key(Account.decrypt(keystore, password))
    except (ValueError, KeyError, TypeError, NotImplementedError) as error:
        # eth-keyfile says "MAC mismatch" for a wrong password.
        reason = "wrong password" if "MAC" in str(error) else f"no version 3 keystore ({error})"
        raise ConfigError(f"keystore {path} does not open: {reason}", hint=f"check {password_file}") from error
    return account


def read_password(path: Path) -> str:
    """First line of a password file. Raises ConfigError if it is missing or empty."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"password file {path} cannot be read: {error.strerror}") from error
    if not lines or not lines[0]:
        raise ConfigError(f"password file {path} is empty", hint="its first line must be the password")
    return lines[0]
