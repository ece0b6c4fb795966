"""Settings of an oracle: one TOML file, each value overridable by an environment variable GRIDWITNESS_<NAME>."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import SettingsConfigDict

from gridwitness.cli.chain_settings import Address, ChainSettings
from gridwitness.cli.toml_settings import Listen, NatsUrl, host_and_port
from gridwitness.errors import ConfigError
from gridwitness.service.batching import BatchRules
from gridwitness.service.ingest import IngestLimits
from gridwitness.service.node import NodeConfig
from gridwitness.service.rate_limits import DeviceRate
from gridwitness.service.scaleout.link import NatsConfig
from gridwitness.service.scaleout.oracle import ScaleOutConfig
from gridwitness.service.signing import MAX_VALIDITY_S
from gridwitness.sources.mqtt import MqttConfig
from gridwitness.store import DEADLETTERS_KEPT


class Peer(BaseModel):
    """A committee member: its address and where its oracle answers. The oracle's own entry is ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: Address
    url: Annotated[str, Field(pattern=r"^https?://[^/]+$")]


class OracleSettings(ChainSettings):
    """What `gridwitness run` needs to know. Paths are relative to the file; durations are seconds."""

    model_config = SettingsConfigDict(env_prefix="GRIDWITNESS_", extra="forbid", frozen=True)

    name: str
    data_dir: Path
    zone: Annotated[int, Field(ge=1, lt=1 << 24)]
    readings_stream: str = "readings"
    profiles_stream: str = "profiles"
    listen: Listen = "127.0.0.1:8101"
    peers: tuple[Peer, ...] = ()
    peer_keys_file: Path | None = None
    open_data: bool = False
    site: Path | None = None
    poll_interval_s: Annotated[float, Field(ge=0.01, le=60)] = 0.5
    grace_s: Annotated[int, Field(ge=0)] = 300
    max_wait_s: Annotated[int, Field(ge=1)] = 900
    max_readings: Annotated[int, Field(ge=1, le=4_096)] = 4_096
    profile_grace_s: Annotated[int, Field(ge=0)] = 3_600
    takeover_s: Annotated[float, Field(gt=0)] = 10
    batch_validity_s: Annotated[int, Field(ge=1, le=MAX_VALIDITY_S)] = 120
    peer_timeout_s: Annotated[float, Field(gt=0)] = 5
    most_connections: Annotated[int, Field(ge=1)] = 1_000
    body_timeout_s: Annotated[float, Field(gt=0)] = 10
    mqtt_url: Annotated[str, Field(pattern=r"^(mqtts?://.+)?$")] = ""
    mqtt_topics: tuple[str, ...] = ("gridwitness/readings/#",)
    mqtt_group: Annotated[str, Field(pattern=r"^[^/+#]*$")] = ""
    mqtt_client_id: str = ""
    mqtt_user: str = ""
    mqtt_password_file: Path | None = None
    mqtt_ca_file: Path | None = None
    mqtt_receive_maximum: Annotated[int, Field(ge=1, le=65_535)] = 256
    mqtt_session_expiry_s: Annotated[int, Field(ge=60, lt=1 << 32)] = 7 * 86_400
    nats_url: NatsUrl = ""
    nats_user: str = ""
    nats_password_file: Path | None = None
    nats_ca_file: Path | None = None
    partitions: Annotated[int, Field(ge=1, le=1_024)] = 16
    nats_max_bytes: Annotated[int, Field(ge=1 << 20)] = 1 << 30
    nats_answer_timeout_s: Annotated[float, Field(ge=1, le=300)] = 15
    reverify_share: Annotated[float, Field(ge=0, le=1)] = 0.01
    verify_workers: Annotated[int, Field(ge=0, le=64)] = (os.cpu_count() or 1) - 1
    max_waiting_readings: Annotated[int, Field(ge=1_000)] = 50_000
    max_waiting_bytes: Annotated[int, Field(ge=1 << 20)] = 64 << 20
    device_readings_per_s: Annotated[float, Field(gt=0)] = 20
    device_burst: Annotated[int, Field(ge=1)] = 2_000
    device_buckets: Annotated[int, Field(ge=1_000)] = 100_000
    max_counter_jump: Annotated[int, Field(ge=1)] = 1_000_000
    deadletters_kept: Annotated[int, Field(ge=1)] = DEADLETTERS_KEPT
    dry_run: bool = True

    @property
    def host_and_port(self) -> tuple[str, int]:
        """Where to listen; port 0 takes a free one."""
        return host_and_port(self.listen)

    def node_config(self, *, live: bool) -> NodeConfig:
        """The node's part of the settings; `live` overrides `dry_run`."""
        return NodeConfig(
            name=self.name,
            data_dir=self.data_dir,
            zone=self.zone,
            readings_stream=self.readings_stream,
            profiles_stream=self.profiles_stream,
            peers={peer.address: peer.url for peer in self.peers},
            peer_keys=self._peer_keys(),
            clock=self.clock,
            poll_interval_s=self.poll_interval_s,
            takeover_s=self.takeover_s,
            batch_validity_s=self.batch_validity_s,
            peer_timeout_s=self.peer_timeout_s,
            outbox=self.outbox_rules,
            dry_run=self.dry_run and not live,
            rules=BatchRules(self.grace_s, self.max_wait_s, self.max_readings, self.profile_grace_s),
            mqtt=self._mqtt_config() if self.mqtt_url else None,
            scale_out=self._scale_out_config() if self.nats_url else None,
            verify_workers=self.verify_workers,
            deadletters_kept=self.deadletters_kept,
            limits=IngestLimits(
                self.max_waiting_readings,
                self.max_waiting_bytes,
                self.max_counter_jump,
                DeviceRate(self.device_readings_per_s, self.device_burst, self.device_buckets),
            ),
        )

    def _peer_keys(self) -> dict[str, str]:
        """API keys that other members made for this oracle, from lines of address and key. Raises ConfigError."""
        if self.peer_keys_file is None:
            return {}
        try:
            lines = self.peer_keys_file.read_text(encoding="utf-8").split("\n")
        except (OSError, ValueError) as error:
            raise ConfigError(f"peer_keys_file {self.peer_keys_file} cannot be read: {error}") from error
        entries = [line.split() for line in lines if line.strip()]
        known = {peer.address for peer in self.peers}
        for number, entry in enumerate(entries, 1):
            if len(entry) != 2 or entry[0] not in known:  # a key is never shown
                raise ConfigError(
                    f"peer_keys_file {self.peer_keys_file}: entry {number} is not a peer's address and a key"
                )
        return dict(entries)

    @property
    def nats_config(self) -> NatsConfig:
        """The workers' broker."""
        return NatsConfig(self.nats_url, self.nats_user, self.nats_password_file, self.nats_ca_file)

    def _scale_out_config(self) -> ScaleOutConfig:
        return ScaleOutConfig(
            nats=self.nats_config,
            partitions=self.partitions,
            max_bytes=self.nats_max_bytes,
            answer_timeout_s=self.nats_answer_timeout_s,
            reverify_share=self.reverify_share,
        )

    def _mqtt_config(self) -> MqttConfig:
        return MqttConfig(
            url=self.mqtt_url,
            topics=self.mqtt_topics,
            group=self.mqtt_group or self.name,
            client_id=self.mqtt_client_id or f"gridwitness-{self.name}",
            user=self.mqtt_user,
            password_file=self.mqtt_password_file,
            ca_file=self.mqtt_ca_file,
            receive_maximum=self.mqtt_receive_maximum,
            session_expiry_s=self.mqtt_session_expiry_s,
        )


def load_settings(path: Path) -> OracleSettings:
    """Settings of a TOML file. Raises ConfigError naming file, key, value and what is wanted."""
    return OracleSettings.load(path, "run")
