"""Metrics by name: those that rules, dashboard and reference speak of, and those of a scrape."""

from __future__ import annotations

import json
import re

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.operations.promtool import ROOT

NAME = re.compile(r"\b(?:gridwitness|process)_[a-z][a-z_]*[a-z]\b")
# Of a relay alone: tests/integration/chain/test_relay_command.py scrapes one.
IS_RELAYS = re.compile("gridwitness_relay_")


def names_used() -> set[str]:
    """Metrics that alerts and dashboard ask for."""
    groups = yaml.safe_load((ROOT / "ops/alerts.yml").read_text(encoding="utf-8"))["groups"]
    dashboard = json.loads((ROOT / "ops/grafana.json").read_text(encoding="utf-8"))
    expressions = [rule["expr"] for group in groups for rule in group["rules"]]
    expressions += [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    return {name for expression in expressions for name in NAME.findall(expression)}


def names_told() -> set[str]:
    """Metrics of the reference's table."""
    reference = (ROOT / "docs/operator-reference.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `(gridwitness_\w+)` \|", reference, flags=re.MULTILINE))


def families_served(scrape: str) -> set[str]:
    """Our families, as the reference names them."""
    families = text_string_to_metric_families(scrape)
    named = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    return {name for name in named if name.startswith("gridwitness_")}


def names_served(scrape: str) -> set[str]:
    """Names of the series of all families, those without a sample too."""
    names: set[str] = set()
    for family in text_string_to_metric_families(scrape):
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        names |= {family.name + ending for ending in endings}
    return names
