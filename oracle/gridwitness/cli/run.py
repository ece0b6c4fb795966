"""`gridwitness run`."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from fastapi import FastAPI

from gridwitness.api import create_app
from gridwitness.api.portal.access import Access
from gridwitness.api.portal.limits import RequestLimits, RequestRates
from gridwitness.api.rights import OpenToAll
from gridwitness.cli.serving import Service, listening, serve
from gridwitness.cli.settings import OracleSettings, load_settings
from gridwitness.cli.site_settings import SiteSettings, load_site
from gridwitness.cli.structured_logs import log_json, secrets_of
from gridwitness.service.node import OracleNode
from gridwitness.service.sign_in import SiteKeys
from gridwitness.store.api_keys import KEY_FILE_NAME, ApiKeyFile


def run(
    config: Annotated[Path, typer.Option(help="TOML file with the oracle's settings")],
    live: Annotated[bool, typer.Option("--live", help="Send transactions, whatever dry_run says")] = False,
) -> None:
    """Run an oracle until it gets SIGTERM or Ctrl-C.

    It takes in signed readings at POST /v1/readings, follows its streams on chain, signs what its peers propose and,
    unless it is a dry run, proposes and submits batches itself. Logs are JSON lines on standard error; GET /ready
    says what is wrong, GET /v1/status everything else. Run `gridwitness doctor --config FILE` first.

    Example oracle.toml:

    \b
        name = "oracle-1"
        data_dir = "data"
        rpc_url = "http://127.0.0.1:8545"
        manifest = "deployments/31337.json"
        zone = 1
        keystore = "keystore.json"
        password_file = "password"
        listen = "127.0.0.1:8101"
        dry_run = false

    \b
        [[peers]]
        address = "0x…"
        url = "http://127.0.0.1:8102"

    Other settings: readings_stream, profiles_stream, open_data, site, peer_keys_file, clock ("system" or "chain"),
    poll_interval_s, grace_s, max_wait_s, max_readings, profile_grace_s, takeover_s, batch_validity_s, peer_timeout_s,
    confirmations, most_connections, body_timeout_s, and for MQTT mqtt_url, mqtt_topics, mqtt_group, mqtt_client_id,
    mqtt_user, mqtt_password_file, mqtt_ca_file, mqtt_receive_maximum, mqtt_session_expiry_s; for verification by
    workers (see `gridwitness worker --help`) nats_url, nats_user, nats_password_file, nats_ca_file, partitions,
    nats_max_bytes, nats_answer_timeout_s, reverify_share; what is taken in at once and kept:
    verify_workers, max_waiting_readings, max_waiting_bytes, device_readings_per_s, device_burst, device_buckets,
    max_counter_jump, deadletters_kept.
    """
    settings = load_settings(config)
    site = load_site(settings)
    log_json(settings.log_level, secrets_of(settings.nodes))
    key = settings.open_key()
    with listening(*settings.host_and_port) as listener:
        chain = settings.open_chain()
        node_config = settings.node_config(live=live)
        uvloop.run(_serve(OracleNode(node_config, chain, key), listener, settings, site))


async def _serve(node: OracleNode, listener: socket.socket, settings: OracleSettings, site: SiteSettings) -> None:
    keys = ApiKeyFile(site.data_dir / KEY_FILE_NAME)
    limits = RequestLimits(RequestRates())
    site_keys = SiteKeys(keys)
    rights = Access(site_keys, limits, is_open_data=settings.open_data, is_secure_cookie=False)
    app = create_app(
        node,
        registry=node.registry,
        body_timeout_s=settings.body_timeout_s,
        rights=OpenToAll() if settings.open_data else rights,
        has_portal=settings.site is not None,
    )
    try:
        with _site_beside(node, app, site_keys, settings, site) as service:
            await serve(
                app,
                service,
                listener,
                most_connections=settings.most_connections,
                body_timeout_s=settings.body_timeout_s,
            )
    finally:
        await node.close()
        keys.close()


@contextmanager
def _site_beside(
    node: OracleNode, app: FastAPI, keys: SiteKeys, settings: OracleSettings, site: SiteSettings
) -> Iterator[Service]:
    """The oracle, with its site's page and API on the same application if the settings name a site."""
    if settings.site is None:
        yield node
        return
    # Imported here: an oracle without a page needs nothing of markets and bills.
    from gridwitness.api.portal.app import install_portal
    from gridwitness.cli.site_service import SiteService, open_portal

    portal = open_portal(settings, site, settings.open_chain(), node.not_ready)
    try:
        is_secure = site.public_url.startswith("https:")
        install_portal(app, portal, keys, is_secure_cookie=is_secure, public_url=site.public_url, rates=site.rates)
        yield SiteService(portal, site.refresh_s, node)
    finally:
        portal.close()
