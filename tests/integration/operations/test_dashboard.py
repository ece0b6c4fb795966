"""The dashboard as Grafana takes it: its structure, its queries, and what it leads with."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from tests.integration.operations.promtool import ROOT, promtool

DASHBOARD = json.loads((ROOT / "ops/grafana.json").read_text(encoding="utf-8"))
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def queries() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def test_lead__first_panel__is_the_oldest_unattested_reading() -> None:
    first = min(panels(), key=lambda panel: (panel["gridPos"]["y"], panel["gridPos"]["x"]))
    assert first["title"] == "Oldest unattested reading"
    assert "gridwitness_oldest_unattested_reading_age_seconds" in first["targets"][0]["expr"]


def test_read__dashboard__has_what_grafana_wants() -> None:
    assert DASHBOARD["schemaVersion"] >= 39
    assert "__inputs" not in DASHBOARD
    variables = {variable["name"]: variable["type"] for variable in DASHBOARD["templating"]["list"]}
    assert variables == {"datasource": "datasource", "instance": "query"}
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in panels():
        assert panel["title"]
        assert panel["description"]
        assert panel["datasource"] == SOURCE
        assert panel["targets"]
        assert all(target["datasource"] == SOURCE for target in panel["targets"])


def test_place__panels__do_not_overlap_or_stand_out() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= COLUMNS
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_ask__every_query__is_good_promql(tmp_path: Path) -> None:
    plain = [re.sub(r"\$__rate_interval", "5m", query).replace("$instance", ".+") for query in queries()]
    assert not [query for query in plain if "$" in query]
    rules = [{"record": f"panel:{index}", "expr": query} for index, query in enumerate(plain)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = promtool("check", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_ask__every_query__is_about_the_chosen_instance() -> None:
    assert [query for query in queries() if 'instance=~"$instance"' not in query] == []
