"""What zone operators do. Each step looks at what stands, sends what is missing, and is safe to repeat."""

from __future__ import annotations

import click

from gridwitness.errors import ConfigError
from scripts._params import TEST_TOKEN
from scripts._session import Session, contract_at
from scripts._zone import SLOT_SECONDS, Rules, Zone, date_of, euro, time_of

NOTICE_DAYS = 7  # IMarketZones.announceParams
HORIZON_SLOTS = 288  # IEnergyMarket: orders reach 287 slots ahead


def ensure_zone(session: Session, number: int, params: Rules) -> None:
    """Open a zone unless it is open. Raises ConfigError if it is open with other rules, ChainError without the role."""
    zone = Zone(session, number)
    rules = zone.resolve(params)
    if zone.rules:
        _note_rules(zone)
        if rules not in (zone.rules, zone.newest_rules):
            name = next(name for name, value in rules.items() if zone.rules[name] != value)
            raise ConfigError(
                f"zone {number} is open with {name} {zone.rules[name]}, {session.params.source} gives {rules[name]}",
                hint=f"`ape run zone announce {number}` announces other rules",
            )
        click.echo(f"· zone {number} is open")
        return
    data = zone.market.encode_abi("openZone", [number, tuple(rules.values())])
    keys, entry = ("zones", str(number)), {"params": rules}
    session.sender.send(keys, entry, data, zone.market.address, what=f"open zone {number}")


def announce_rules(session: Session, number: int, params: Rules, from_day: int | None) -> None:
    """Announce other rules for delivery days from one on, the earliest by default, once what changes is confirmed.

    Raises ConfigError if the notice is too short or other rules are to come already, ChainError without the role.
    """
    zone = Zone(session, number)
    zone.require_open()
    _note_rules(zone)
    rules = zone.resolve(params)
    if rules == zone.newest_rules:
        since = "" if zone.rules == rules else f" from {date_of(zone.newest_from)} on"
        click.echo(f"· zone {number} has these rules{since}")
        return
    if zone.rules != zone.newest_rules:
        raise ConfigError(
            f"zone {number} gets other rules on {date_of(zone.newest_from)}, which were announced already",
            hint="wait for that day",
        )
    earliest = zone.today + NOTICE_DAYS
    first = earliest if from_day is None else from_day
    if first < earliest:
        raise ConfigError(
            f"--from-day is {date_of(first)}; rules need {NOTICE_DAYS} days of notice: {date_of(earliest)}"
        )
    click.echo(f"zone {number} from {date_of(first)} on (the earliest day is {date_of(earliest)}):")
    _echo_changes(zone.rules, rules)
    session.confirm("Announce these rules?")
    zone.send(f"announce rules of zone {number}", "announceParams", first, tuple(rules.values()))
    _note_rules(Zone(session, number))


def pause_orders(session: Session, number: int, *, paused: bool) -> None:
    """Refuse new orders of a zone, or take them again. Raises ChainError without the role."""
    zone = Zone(session, number)
    zone.require_open()
    state = f"zone {number} {'refuses' if paused else 'takes'} orders"
    if zone.backstop.paused == paused:
        click.echo(f"· {state}")
        return
    zone.send(f"{state} from now on", "pauseOrders", paused)


def cap_feeder(session: Session, number: int, first: int, end: int, cap_wh: int) -> None:
    """Cap the energy matched in each of the slots from `first` to before `end`.

    Raises ConfigError unless their gates are open and the horizon of orders holds them, ChainError without the role.
    """
    zone = Zone(session, number)
    zone.require_open()
    now = zone.time_s // SLOT_SECONDS
    if first <= now + zone.rules["gateLeadSlots"]:
        opens = time_of(now + zone.rules["gateLeadSlots"] + 1)
        raise ConfigError(f"--from is {time_of(first)}; the first slot whose gate is open starts {opens}")
    if not first < end <= now + HORIZON_SLOTS:
        latest = time_of(now + HORIZON_SLOTS)
        raise ConfigError(f"--until is {time_of(end)}; it must be after --from and {latest} at the latest")
    slots = f"{end - first} slots from {time_of(first)}"
    what = f"zone {number} matches at most {cap_wh:,} Wh in {slots} on"
    zone.send(what, "setFeederCap", list(range(first, end)), cap_wh)


def fund_backstop(session: Session, number: int, up_to: int) -> None:
    """Bring a zone's backstop up to `up_to` (1e-6 EUR), approving the market before if need be.

    Raises ConfigError if the account holds too little.
    """
    zone = Zone(session, number)
    zone.require_open()
    missing = up_to - zone.backstop.balance
    if missing <= 0:
        click.echo(f"· the backstop of zone {number} holds {euro(zone.backstop.balance)}")
        return
    token = contract_at(session.web3, session.resolve("$token"), session.artefacts[TEST_TOKEN].abi)
    account = session.sender.address
    held = token.functions.balanceOf(account).call()
    if held < missing:
        raise ConfigError(f"{account} holds {euro(held)}; {euro(missing)} are missing in zone {number}")
    if token.functions.allowance(account, zone.market.address).call() < missing:
        data = token.encode_abi("approve", [zone.market.address, missing])
        what = f"allow the market to take {euro(missing)}"
        session.sender.send(("zones", str(number), "approve"), None, data, token.address, what=what)
    zone.send(f"pay {euro(missing)} into the backstop of zone {number}", "fundBackstop", missing)


def withdraw_backstop(session: Session, number: int, down_to: int, receiver: str) -> None:
    """Bring a zone's backstop down to `down_to` (1e-6 EUR). Raises ChainError if more is exposed."""
    zone = Zone(session, number)
    zone.require_open()
    spare = zone.backstop.balance - down_to
    if spare <= 0:
        click.echo(f"· the backstop of zone {number} holds {euro(zone.backstop.balance)}")
        return
    zone.send(f"pay {euro(spare)} of zone {number} to {receiver}", "withdrawBackstop", spare, receiver)


def show_zone(session: Session, number: int) -> None:
    """Print a zone's money and rules, and bring the manifest up to date. Raises ConfigError if it is not open."""
    zone = Zone(session, number)
    zone.require_open()
    _note_rules(zone)
    money = zone.backstop
    click.echo(f"zone {number} {'refuses' if money.paused else 'takes'} orders")
    click.echo(f"backstop: {euro(money.balance)}, exposed {euro(money.exposure)}, in transit {euro(money.in_transit)}")
    click.echo(f"rules of {date_of(zone.today)}:")
    for name, value in zone.rules.items():
        click.echo(f"  {name}: {value}")
    if zone.newest_rules != zone.rules:
        click.echo(f"from {date_of(zone.newest_from)} on:")
        _echo_changes(zone.rules, zone.newest_rules)


def _echo_changes(old: Rules, new: Rules) -> None:
    for name, value in new.items():
        if old[name] != value:
            click.echo(f"  {name}: {old[name]} → {value}")


def _note_rules(zone: Zone) -> None:
    """Keep today's rules in the manifest, and those to come."""
    keys = ("zones", str(zone.number))
    recorded = zone.session.manifest.get(*keys) or {}
    entry = {**recorded, "params": zone.rules}
    entry.pop("announced", None)
    if zone.newest_rules != zone.rules:
        entry["announced"] = {"from_day": zone.newest_from, "params": zone.newest_rules}
    if entry != recorded:
        zone.session.manifest.record(keys, entry)
