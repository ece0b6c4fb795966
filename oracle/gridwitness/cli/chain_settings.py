"""Settings that everything shares which sends transactions: nodes, key, fees."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from eth_utils.address import is_checksum_address
from pydantic import AfterValidator, Field, model_validator

from gridwitness.chain.client import Chain
from gridwitness.chain.endpoint import RpcLimits
from gridwitness.chain.fees import GWEI
from gridwitness.chain.keystore import load_account
from gridwitness.chain.manifest import Manifest
from gridwitness.chain.outbox import OutboxRules
from gridwitness.chain.signing_key import LocalKey, RemoteKey, RemoteSigner, SigningKey
from gridwitness.cli.toml_settings import TomlSettings
from gridwitness.errors import ConfigError

_DEFAULT_HEAD_AGE_S = 300
_Url = Annotated[str, Field(pattern=r"^https?://")]
_Positive = Annotated[float, Field(gt=0)]


def _checksummed(address: str) -> str:
    if not is_checksum_address(address):
        raise ValueError(f"{address} is not a checksummed address")
    return address


Address = Annotated[str, AfterValidator(_checksummed)]


class ChainSettings(TomlSettings):
    """Nodes (rpc_url, or several rpc_urls), the key (keystore, or signer_url), and what transactions may cost."""

    rpc_url: _Url | None = None
    rpc_urls: tuple[_Url, ...] = ()
    rpc_connect_timeout_s: _Positive = 3
    rpc_timeout_s: _Positive = 10
    rpc_head_timeout_s: _Positive = 1.5
    max_head_lag: Annotated[int, Field(ge=0)] = 3
    max_head_age_s: Annotated[int, Field(ge=1)] | None = None
    manifest: Path
    keystore: Path | None = None
    password_file: Path | None = None
    signer_url: _Url | None = None
    signer_address: Address | None = None
    signer_ca_file: Path | None = None
    signer_certificate_file: Path | None = None
    signer_key_file: Path | None = None
    signer_token_file: Path | None = None
    clock: Literal["system", "chain"] = "system"
    confirmations: Annotated[int, Field(ge=0)] = 0
    max_fee_per_gas_gwei: Annotated[int, Field(ge=1, le=1_000_000)] = 200
    replace_after_s: _Positive = 30
    runway_alarm_days: Annotated[float, Field(ge=0)] = 7

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.rpc_url is None) == (not self.rpc_urls):
            raise ValueError("give either rpc_url or rpc_urls")
        if (self.keystore is None) == (self.signer_url is None):
            raise ValueError("give either keystore or signer_url")
        if self.keystore is not None and self.password_file is None:
            raise ValueError("a keystore needs a password_file")
        if self.signer_url is not None and self.signer_address is None:
            raise ValueError("a signer_url needs a signer_address")
        return self

    @property
    def nodes(self) -> tuple[str, ...]:
        """URLs of the nodes, in the order of preference."""
        return self.rpc_urls if self.rpc_url is None else (self.rpc_url,)

    @property
    def rpc_limits(self) -> RpcLimits:
        """How long nodes are waited for. Their heads' ages count only where blocks come by the machine's time."""
        by_clock = _DEFAULT_HEAD_AGE_S if self.clock == "system" else None
        return RpcLimits(
            connect_timeout_s=self.rpc_connect_timeout_s,
            read_timeout_s=self.rpc_timeout_s,
            head_timeout_s=self.rpc_head_timeout_s,
            max_head_lag=self.max_head_lag,
            max_head_age_s=by_clock if self.max_head_age_s is None else self.max_head_age_s,
        )

    @property
    def outbox_rules(self) -> OutboxRules:
        """The outbox's part of the settings."""
        return OutboxRules(
            confirmations=self.confirmations,
            max_fee_per_gas_wei=self.max_fee_per_gas_gwei * GWEI,
            replace_after_s=self.replace_after_s,
            runway_alarm_days=self.runway_alarm_days,
        )

    def open_chain(self) -> Chain:
        """The chain of the manifest. Raises ConfigError, ChainError."""
        return Chain(self.nodes, Manifest.load(self.manifest), limits=self.rpc_limits)

    def open_key(self) -> SigningKey:
        """The key, from its keystore or at its signer. Raises ConfigError, ChainError."""
        if self.signer_url is not None and self.signer_address is not None:
            signer = RemoteSigner(
                self.signer_url,
                self.signer_ca_file,
                self.signer_certificate_file,
                self.signer_key_file,
                self.signer_token_file,
            )
            return RemoteKey(signer, self.signer_address)
        if self.keystore is None or self.password_file is None:
            raise ConfigError("no keystore, and no signer_url")
        return LocalKey(load_account(self.keystore, self.password_file))

    @property
    def secret_files(self) -> tuple[Path, ...]:
        """Files that nobody else should be able to read."""
        files = (self.keystore, self.password_file, self.signer_key_file, self.signer_token_file)
        return tuple(file for file in files if file is not None)
