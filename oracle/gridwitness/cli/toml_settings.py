"""Settings from one TOML file, each value overridable by an environment variable."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from gridwitness.cli.structured_logs import LogLevel
from gridwitness.errors import ConfigError

_MAX_PORT = 65_535
# Settings are printed, copied and kept in version control; environments show in `ps` and in crash reports.
_SECRETS = ("private_key", "secret_key", "mnemonic", "seed_phrase", "password", "signer_token", "keystore_password")


def _listenable(listen: str) -> str:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _MAX_PORT:
        raise ValueError(f"{listen} is not host:port with a port of 0 to {_MAX_PORT}")
    return listen


# Where to listen, host:port; port 0 takes a free one.
Listen = Annotated[str, AfterValidator(_listenable)]


# A broker of NATS; empty for none.
NatsUrl = Annotated[str, Field(pattern=r"^((nats|tls)://.+)?$")]


def host_and_port(listen: str) -> tuple[str, int]:
    """The parts of a `Listen`."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


class TomlSettings(BaseSettings):
    """Settings of a command. Values of type Path are relative to the file."""

    log_level: LogLevel = "info"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes before the file, whose values come as init settings."""
        return env_settings, init_settings

    @classmethod
    def load(cls, path: Path, command: str) -> Self:
        """Settings of a file. Raises ConfigError naming file, key, value and what is wanted."""
        try:
            values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            hint = f"`gridwitness {command} --help` shows an example"
            raise ConfigError(f"config {path} not found", hint=hint) from None
        except (OSError, ValueError) as error:
            raise ConfigError(f"config {path} cannot be read: {error}") from error
        cls._refuse_secrets(path, values)
        for name, known in cls.model_fields.items():
            if known.annotation in (Path, Path | None) and isinstance(values.get(name), str):
                values[name] = path.parent / values[name]
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            given = "" if first["type"] == "missing" else f" is {first['input']!r}"
            # What concerns several settings names them itself.
            what = f"{key}{given}: {first['msg']}" if key else first["msg"].removeprefix("Value error, ")
            raise ConfigError(f"{path}: {what}") from error

    @classmethod
    def _refuse_secrets(cls, path: Path, values: dict[str, Any]) -> None:
        """Raise ConfigError, without the value, for a secret in the settings or in the environment."""
        prefix = cls.model_config.get("env_prefix", "")
        for name in _SECRETS:
            variable = prefix + name.upper()
            where = f"{path}: {name}" if name in values else variable if variable in os.environ else ""
            if where:
                raise ConfigError(
                    f"{where} is a secret and has no place here",
                    hint="put it into a file: keystore and password_file, or signer_token_file",
                )
