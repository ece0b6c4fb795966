"""`gridwitness relay`."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from gridwitness.api.relay import create_relay_app
from gridwitness.cli.chain_settings import ChainSettings
from gridwitness.cli.serving import listening, serve
from gridwitness.cli.structured_logs import log_json, secrets_of
from gridwitness.cli.toml_settings import Listen, host_and_port
from gridwitness.service.relay.batching import RelayRules
from gridwitness.service.relay.messages import MAX_ROWS
from gridwitness.service.relay.node import RelayConfig, RelayNode

# Each may hold a body of a MiB while it is read.
_MOST_CONNECTIONS = 100
_Positive = Annotated[int, Field(ge=1)]
_NotNegative = Annotated[int, Field(ge=0)]


class RelaySettings(ChainSettings):
    """What `gridwitness relay` needs to know. Paths are relative to the file; durations are seconds."""

    model_config = SettingsConfigDict(env_prefix="GRIDWITNESS_RELAY_", extra="forbid", frozen=True)

    data_dir: Path
    listen: Listen = "127.0.0.1:8201"
    poll_interval_s: Annotated[float, Field(ge=0.01, le=60)] = 0.5
    enough_rows: _Positive = 100
    max_age_s: _NotNegative = 60
    gate_margin_s: _NotNegative = 180
    retry_s: _Positive = 30
    max_versions: _Positive = 16
    max_waiting: Annotated[int, Field(ge=MAX_ROWS)] = 50_000
    client_rows_per_minute: Annotated[int, Field(ge=MAX_ROWS)] = 2_000

    def relay_config(self) -> RelayConfig:
        """The relay's part of the settings."""
        return RelayConfig(
            data_dir=self.data_dir,
            clock=self.clock,
            poll_interval_s=self.poll_interval_s,
            outbox=self.outbox_rules,
            rules=RelayRules(**{field.name: getattr(self, field.name) for field in fields(RelayRules)}),
        )


def relay(config: Annotated[Path, typer.Option(help="TOML file with the relay's settings")]) -> None:
    """Run a relay of signed schedules until it gets SIGTERM or Ctrl-C.

    It takes schedules in at POST /v1/schedules, refuses at once what the market would refuse, and submits the others
    many in a transaction, paying for the gas: when enough_rows wait, when one has waited max_age_s, or gate_margin_s
    before a gate closes. GET /v1/schedules/{device}/{day} says what became of them. Logs are JSON lines on standard
    error; GET /ready says what is wrong, GET /v1/status everything else.

    Example relay.toml:

    \b
        data_dir = "data/relay"
        rpc_url = "http://127.0.0.1:8545"
        manifest = "deployments/31337.json"
        keystore = "keys/relay"
        password_file = "password"
        listen = "127.0.0.1:8201"

    Other settings: clock ("system" or "chain"), poll_interval_s, enough_rows, max_age_s, gate_margin_s, retry_s,
    max_versions, max_waiting, client_rows_per_minute; and those of `gridwitness run` for nodes, key and transactions.
    """
    settings = RelaySettings.load(config, "relay")
    log_json(settings.log_level, secrets_of(settings.nodes))
    key = settings.open_key()
    with listening(*host_and_port(settings.listen)) as listener:
        node = RelayNode(settings.relay_config(), settings.open_chain(), key)
        try:
            app = create_relay_app(node, registry=node.registry)
            uvloop.run(serve(app, node, listener, most_connections=_MOST_CONNECTIONS))
        finally:
            node.close()
