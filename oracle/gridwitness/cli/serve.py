"""`gridwitness serve`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvloop

from gridwitness.api.portal.app import create_portal_app
from gridwitness.chain.anvil import Anvil
from gridwitness.chain.client import Chain
from gridwitness.chain.manifest import Manifest
from gridwitness.cli import serving
from gridwitness.cli.settings import OracleSettings
from gridwitness.cli.site_service import SiteService, open_portal
from gridwitness.cli.site_settings import SiteSettings, load_site
from gridwitness.cli.structured_logs import log_json, secrets_of
from gridwitness.errors import ConfigError
from gridwitness.service.sign_in import SiteKeys
from gridwitness.store.api_keys import KEY_FILE_NAME, ApiKeyFile

DEMO = Path("out/demo")
PORT = 8100
_LOCALHOST = "127.0.0.1"
_CHAIN_FILE = "chain.json"
_FIRST_ORACLE = Path("oracle-1") / "oracle.toml"


def serve(
    data: Annotated[Path, typer.Option(help="Folder of a demo that has ended")] = DEMO,
    config: Annotated[Path | None, typer.Option(help="TOML file of an oracle, in place of a demo's folder")] = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen at; 0 takes a free one")] = PORT,
    host: Annotated[str, typer.Option(help="Address to listen at")] = _LOCALHOST,
) -> None:
    """Show a site's web page and API until Ctrl-C: of the last demo, or of an oracle of this machine.

    A demo's chain starts again as it was left, on a copy of its state. With --config the oracle's own log is read,
    whether it runs or not, and its nodes are asked; what is said of the site stands in the file its setting `site`
    names. Set there, `gridwitness run` shows the page by itself.

    \b
    Example site.toml:
        name = "Green Street"
        data_dir = "data"
        time_zone = "Europe/Berlin"
        currency = "EUR"
        explorer_url = "https://sepolia.etherscan.io"
        browser_rpc_url = "https://rpc.example.org"
        public_url = "https://energy.example.org"

    \b
        [names]
        "0x…" = "number 7"

    Example: gridwitness serve --data out/demo
    Example: gridwitness serve --config oracle.toml --port 8100
    """
    if config is not None:
        settings = OracleSettings.load(config, "serve")
        _serve(settings, load_site(settings), settings.open_chain(), host, port)
        return
    with _demo_chain(data) as chain_url:
        settings = OracleSettings.load(data / _FIRST_ORACLE, "serve")
        site = load_site(settings).model_copy(update={"browser_rpc_url": chain_url})
        _serve(settings, site, Chain(chain_url, Manifest.load(settings.manifest)), host, port)


@contextmanager
def _demo_chain(data: Path) -> Iterator[str]:
    """URL of a demo's chain, started from a copy of its state. Raises ConfigError if there is none, or it runs."""
    # Imported here: a running oracle's page needs nothing of demos.
    from gridwitness.service.demo.world import CHAIN_ID, OutDir

    if not (data / _FIRST_ORACLE).is_file():
        raise ConfigError(f"{data} holds no demo", hint="`make demo` makes one; name another with --data")
    try:
        OutDir(data).claim(fresh=False)
    except ConfigError as error:
        hint = "its first oracle shows the page, or another `gridwitness serve`; name another with --data"
        raise ConfigError(error.message, hint=hint) from None
    if not (data / _CHAIN_FILE).is_file():
        raise ConfigError(f"{data / _CHAIN_FILE} is not there: the demo was ended by force", hint="run it again")
    with tempfile.TemporaryDirectory(prefix="gridwitness-") as folder:
        state = Path(shutil.copy(data / _CHAIN_FILE, folder))
        with Anvil(chain_id=CHAIN_ID, state_file=state) as anvil:
            yield anvil.url


def _serve(settings: OracleSettings, site: SiteSettings, chain: Chain, host: str, port: int) -> None:
    log_json("warning", secrets_of(settings.nodes))
    keys = ApiKeyFile(site.data_dir / KEY_FILE_NAME)
    portal = open_portal(settings, site, chain)
    try:
        with serving.listening(host, port) as listener:
            portal.refresh()
            is_secure = site.public_url.startswith("https:")
            app = create_portal_app(
                portal, SiteKeys(keys), is_secure_cookie=is_secure, public_url=site.public_url, rates=site.rates
            )
            typer.echo(f"{site.name} is at http://{host}:{listener.getsockname()[1]}; Ctrl-C ends it")
            uvloop.run(serving.serve(app, SiteService(portal, site.refresh_s), listener))
    finally:
        portal.close()
        keys.close()
        structlog.reset_defaults()
