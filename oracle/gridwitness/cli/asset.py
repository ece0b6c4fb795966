"""`gridwitness asset`: make an asset in shares, admit investors, issue and pay shares; see holders; make statements."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from pydantic_settings import SettingsConfigDict

from gridwitness.chain.assets import Asset, AssetFactory, PassportRegistry
from gridwitness.chain.client import Chain, gas_limit
from gridwitness.chain.events import Receipt, decode_logs
from gridwitness.cli.asset_views import AssetAddress, PrintJson, checksummed, holders, statement
from gridwitness.cli.chain_settings import ChainSettings
from gridwitness.cli.proof import read_key
from gridwitness.domain.assets import MOST_CLASS, MOST_COUNTRY, NOBODY, AssetTerms, Passport
from gridwitness.domain.slots import SECONDS_PER_DAY
from gridwitness.errors import InputError
from gridwitness.service.assets.ledger import cash_token
from gridwitness.service.assets.parameters import AssetParameters
from gridwitness.service.assets.revenue import told, unpaid_revenue
from gridwitness.service.assets.sending import Step, estimate, payment, send
from gridwitness.service.assets.words import clean, display, parse_amount
from gridwitness.sources.community_data import EPOCH, date_of

asset = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Shares of real assets: make one, admit investors, issue and pay shares, see holders, make statements.",
)
_Config = Annotated[Path, typer.Option(help="TOML file with node, manifest and key")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the transactions and what they would cost; send none")]
_Yes = Annotated[bool, typer.Option("--yes", help="Send without asking")]
_FUNDINGS = ("Funded", "RevenueFunded", "RedemptionFunded")


class AssetSettings(ChainSettings):
    """What commands need that send: nodes, manifest, and the key of issuer or payer. Paths are relative to the file."""

    model_config = SettingsConfigDict(env_prefix="GRIDWITNESS_ASSET_", extra="forbid", frozen=True)


@asset.command()
def create(
    parameters: Annotated[Path, typer.Argument(help="TOML file that describes the asset")],
    config: _Config,
    admin: Annotated[str, typer.Option(help="First admin, issuer and agent; else the sender")] = "",
    dry_run: _DryRun = False,
    yes: _Yes = False,
    as_json: PrintJson = False,
) -> None:
    """Make an asset. Its terms never change; its rules do as its issuer says.

    docs/how-to/assets/ has a file of parameters for each class: energy plant, credit, treasury, commodity.

    \b
    Example config:
        rpc_url = "http://127.0.0.1:8545"
        manifest = "deployments/31337.json"
        keystore = "keys/issuer"
        password_file = "password"

    Example: gridwitness asset create docs/how-to/assets/credit.toml --config issuer.toml --dry-run
    """
    wanted = AssetParameters.load(parameters)
    settings = AssetSettings.load(config, "asset create")
    chain, key = settings.open_chain(), settings.open_key()
    owner = checksummed(admin) if admin else key.address
    terms = wanted.checked_terms(chain)
    factory = AssetFactory(chain)
    words = f"make {terms.symbol}, {wanted.asset_class}, with {owner} as its admin"
    receipts = _carry_out(
        chain, settings, [Step(words, factory.create(terms, wanted.first_rules(), owner))], dry_run, yes
    )
    if receipts:
        _say({"asset": factory.created(receipts[-1]), **_sent(receipts)}, as_json)


@asset.command()
def rules(
    address: AssetAddress,
    parameters: Annotated[Path, typer.Argument(help="TOML file that describes the asset")],
    config: _Config,
    dry_run: _DryRun = False,
    yes: _Yes = False,
    as_json: PrintJson = False,
) -> None:
    """Set the rules of an asset to those of a file: all of them, at once. Of the rest, symbol and cash are compared.

    Example: gridwitness asset rules 0x… docs/how-to/assets/energy-plant.toml --config issuer.toml
    """
    settings = AssetSettings.load(config, "asset rules")
    chain = settings.open_chain()
    bound = AssetFactory(chain).asset(checksummed(address))
    terms = bound.terms()
    wanted = _parameters_of(chain, bound, terms, parameters)
    step = Step(f"set the rules of {clean(terms.symbol)}", bound.set_rules(wanted.asset_rules()))
    receipts = _carry_out(chain, settings, [step], dry_run, yes)
    if receipts:
        _say(_sent(receipts), as_json)


@asset.command()
def admit(
    wallet: Annotated[str, typer.Argument(metavar="WALLET", help="The investor's first wallet")],
    config: _Config,
    country: Annotated[int, typer.Option(min=1, max=MOST_COUNTRY, help="Country, ISO 3166-1 numeric: 276 is Germany")],
    investor_class: Annotated[
        int, typer.Option(min=0, max=MOST_CLASS, help="Class, as the rules of assets number them")
    ],
    until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day (UTC) on which the passport holds")],
    dry_run: _DryRun = False,
    yes: _Yes = False,
    as_json: PrintJson = False,
) -> None:
    """Give an investor a passport, which holds for all assets. The sender must be a registrar of `Passports`.

    Whom the wallet belongs to is looked at before and elsewhere: nothing else goes on the chain than is given here.

    Example: gridwitness asset admit 0x… --country 276 --investor-class 0 --until 2027-12-31 --config registrar.toml
    """
    settings = AssetSettings.load(config, "asset admit")
    chain = settings.open_chain()
    passport = Passport(int(until.replace(tzinfo=UTC).timestamp()) + SECONDS_PER_DAY - 1, country, investor_class)
    words = f"give {wallet} a passport: country {country}, class {investor_class}, until {until.date()}"
    step = Step(words, PassportRegistry(chain).register([(checksummed(wallet), passport)]))
    receipts = _carry_out(chain, settings, [step], dry_run, yes)
    if receipts:
        _say({"investor": wallet, "expires_at": passport.expires_at, **_sent(receipts)}, as_json)


@asset.command()
def mint(
    address: AssetAddress,
    config: _Config,
    to: Annotated[str, typer.Option(help="Who gets them; must have a passport that the rules accept")],
    shares: Annotated[str, typer.Option(help="How many, such as 100 or 2.5")],
    dry_run: _DryRun = False,
    yes: _Yes = False,
    as_json: PrintJson = False,
) -> None:
    """Issue shares. With a reserve, a fresh reading of it must cover all shares together.

    Example: gridwitness asset mint 0x… --to 0x… --shares 100 --config issuer.toml
    """
    settings = AssetSettings.load(config, "asset mint")
    chain = settings.open_chain()
    bound = AssetFactory(chain).asset(checksummed(address))
    terms = bound.terms()
    amount = parse_amount(shares, terms.decimals, "shares")
    step = Step(f"issue {shares} shares of {clean(terms.symbol)} to {to}", bound.mint(checksummed(to), amount))
    receipts = _carry_out(chain, settings, [step], dry_run, yes)
    if receipts:
        _say({"to": to, "shares": amount, **_sent(receipts)}, as_json)


@asset.command()
def fund(
    address: AssetAddress,
    config: _Config,
    cash: Annotated[str, typer.Option(help="How much, such as 1250.50")] = "",
    parameters: Annotated[Path | None, typer.Option(help="The asset's parameters, which plan payments")] = None,
    on: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day of a planned payment")] = None,
    redemption: Annotated[bool, typer.Option("--redemption", help="For redemptions, not for all shares")] = False,
    oracle: Annotated[str, typer.Option(help="HTTP address of an oracle: pay what plants earned, on its proofs")] = "",
    through: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day to pay for; else all that are final")
    ] = None,
    key_file: Annotated[Path | None, typer.Option(help="File with an API key of the oracle, scope read")] = None,
    dry_run: _DryRun = False,
    yes: _Yes = False,
    as_json: PrintJson = False,
) -> None:
    """Pay cash to all shares: an amount, or what the parameters plan for a day. With --redemption, for redemptions.

    An energy plant takes nothing but its revenue: with --oracle, the market pays its shares what final schedules of its
    plants earned, if they were metered to have delivered it. Anyone may ask for that. What cannot be paid yet is told.

    \b
    Example: gridwitness asset fund 0x… --cash 1250.50 --config issuer.toml
    Example: gridwitness asset fund 0x… --parameters credit.toml --on 2017-01-20 --config issuer.toml
    Example: gridwitness asset fund 0x… --oracle http://127.0.0.1:8101 --config issuer.toml
    """
    if oracle and (cash or parameters is not None or on is not None or redemption):
        raise InputError("--oracle pays what was earned, and no other amount", hint="--through is its last day")
    if not oracle and (through is not None or key_file is not None):
        raise InputError("--through and --key-file go with --oracle")
    settings = AssetSettings.load(config, "asset fund")
    chain = settings.open_chain()
    bound = AssetFactory(chain).asset(checksummed(address))
    if oracle:
        steps = [_revenue_step(chain, bound, oracle, through.date() if through else None, key_file)]
    else:
        payer = settings.open_key().address
        steps = _cash_steps(chain, bound, payer, _Payment(cash, parameters, on.date() if on else None, redemption))
    receipts = _carry_out(chain, settings, steps, dry_run, yes)
    if receipts:
        _say({"cash": _paid_in(bound, receipts[-1]), **_sent(receipts)}, as_json)


asset.command()(holders)
asset.command()(statement)


class _Payment(NamedTuple):
    """What `fund` was asked to pay."""

    cash: str
    parameters: Path | None
    on: date | None
    redemption: bool


def _cash_steps(chain: Chain, bound: Asset, payer: str, wanted: _Payment) -> list[Step]:
    terms = bound.terms()
    if wanted.redemption:
        _require_redemption(terms, wanted)
    elif terms.market != NOBODY:
        raise InputError(
            f"{clean(terms.symbol)} is paid what its plants earned in the market at {terms.market}, and nothing else",
            hint="give --oracle, whose proofs show what was delivered",
        )
    if not wanted.redemption and bound.proof().supply == 0:
        raise InputError(f"{clean(terms.symbol)} has no shares yet that could be paid")
    token = cash_token(chain, terms.cash)
    units = _cash_to_pay(chain, bound, terms, token.decimals, wanted)
    words = f"pay {display(units, token.decimals)} {clean(token.symbol)} to {clean(terms.symbol)}"
    call = bound.fund_redemption(units) if wanted.redemption else bound.fund(units)
    return payment(chain, payer, terms.cash, bound.address, units, [Step(words, call)])


def _require_redemption(terms: AssetTerms, wanted: _Payment) -> None:
    """Raise InputError for cash that no redemption would ever pay out, or that was planned for all shares."""
    if wanted.parameters is not None or wanted.on is not None:
        raise InputError(
            "--redemption takes --cash alone: what the parameters plan for a day is for all shares",
            hint="leave out --redemption, or --parameters and --on",
        )
    if not terms.matures_at:
        raise InputError(
            f"{clean(terms.symbol)} has no maturity: its shares are never redeemed, and the cash would stay there",
            hint="only assets with a maturity take --redemption",
        )


def _parameters_of(chain: Chain, bound: Asset, terms: AssetTerms, path: Path) -> AssetParameters:
    """Parameters of a file. Raises InputError if they describe another asset: by symbol, or by cash token."""
    wanted = AssetParameters.load(path)
    if clean(wanted.symbol) != clean(terms.symbol):
        raise InputError(f"{path} describes {clean(wanted.symbol)}, and {bound.address} is {clean(terms.symbol)}")
    cash = wanted.cash_in(chain.manifest)
    if cash is not None and cash.lower() != terms.cash.lower():
        raise InputError(f"{path} describes an asset that pays in {cash}, and {bound.address} pays in {terms.cash}")
    return wanted


def _cash_to_pay(chain: Chain, bound: Asset, terms: AssetTerms, decimals: int, wanted: _Payment) -> int:
    """Token units of an amount given, or of a payment that the parameters plan. Raises InputError without either."""
    if wanted.cash and wanted.parameters is None and wanted.on is None:
        return parse_amount(wanted.cash, decimals, "cash")
    if wanted.cash or wanted.parameters is None or wanted.on is None:
        raise InputError(
            "give either --cash, or --parameters and --on", hint="a planned payment is that of a day in the parameters"
        )
    return _parameters_of(chain, bound, terms, wanted.parameters).payment_on(wanted.on, bound.proof().supply)


def _revenue_step(chain: Chain, bound: Asset, oracle: str, through: date | None, key_file: Path | None) -> Step:
    key = read_key(key_file) if key_file is not None else ""
    through_day = (through - EPOCH).days if through is not None else None
    rows, left_out = unpaid_revenue(chain, bound, oracle, through_day=through_day, key=key)
    for line in told(left_out):
        typer.echo(line, err=True)
    days = sorted({row.schedule.day for row in rows})
    spanned = " to ".join(dict.fromkeys(date_of(day).isoformat() for day in (days[0], days[-1])))
    plants = len({row.schedule.device_id for row in rows})
    words = f"pay what {plants} plants earned in {len(rows)} schedules of {spanned} to {clean(bound.terms().symbol)}"
    return Step(words, bound.fund_revenue(rows))


def _paid_in(bound: Asset, receipt: Receipt) -> int:
    """Cash that arrived, as the asset says."""
    events = decode_logs("AssetShares", bound.address, receipt)
    return next(int(event.args["cash"]) for event in events if event.name in _FUNDINGS)


def _carry_out(chain: Chain, settings: AssetSettings, steps: Sequence[Step], dry_run: bool, yes: bool) -> list[Receipt]:
    """Show steps with their cost, ask, and send them; nothing on a dry run. Raises Reverted for one that would fail."""
    key = settings.open_key()
    gas = gas_limit(estimate(chain, key.address, steps[0]))
    max_fee_wei, _ = chain.fees()
    # What a later step needs shows only when those before it are mined.
    whose = " for this first one" if len(steps) > 1 else ""
    for number, step in enumerate(steps, start=1):
        cost = f", {gas} gas, {gas * max_fee_wei / 10**18:.6f} ether at most{whose}" if number == 1 else ""
        typer.echo(f"{number}. {step.words}{cost}", err=True)
        if dry_run:
            typer.echo(f"   to {step.to}, data 0x{step.data.hex()}", err=True)
    if dry_run:
        typer.echo(f"dry run as {key.address}: nothing was sent", err=True)
        return []
    if not yes:
        typer.confirm(f"send as {key.address}?", abort=True, err=True)
    return [send(chain, key, step) for step in steps]


def _sent(receipts: Sequence[Receipt]) -> dict[str, object]:
    last = receipts[-1]
    return {
        "transaction": "0x" + last.transaction.hex(),
        "block": last.block_number,
        "gas": sum(receipt.gas_used for receipt in receipts),
    }


def _say(values: dict[str, object], as_json: bool) -> None:
    typer.echo(json.dumps(values) if as_json else "\n".join(f"{name} {value}" for name, value in values.items()))
