"""Lines of the log: their form, what they hold back, and what they do not repeat."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from gridwitness.cli.structured_logs import Redaction, Repetition, log_json, secrets_of


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = handlers, level


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_log__event__has_time_level_event_and_context(capsys: pytest.CaptureFixture[str]) -> None:
    log_json()
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        structlog.get_logger().info("done", age_s=3)
    (line,) = lines(capsys)
    assert str(line.pop("time")).endswith("Z")
    assert line == {"level": "info", "event": "done", "age_s": 3, "request_id": "r1"}


@pytest.mark.parametrize(("level", "expected"), [("debug", 3), ("info", 2), ("error", 1)])
def test_log__level__leaves_out_what_is_below(level: str, expected: int, capsys: pytest.CaptureFixture[str]) -> None:
    log_json(level)  # type: ignore[arg-type]
    log = structlog.get_logger()
    log.debug("one")
    log.info("two")
    log.error("three")
    assert len(lines(capsys)) == expected


def test_log__other_libraries__come_as_json_from_warnings_on(capsys: pytest.CaptureFixture[str]) -> None:
    log_json()
    logging.getLogger("uvicorn.error").info("unimportant")
    try:
        raise ValueError("odd")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in %s", "application")
    (line,) = lines(capsys)
    assert (line["level"], line["event"], line["logger"]) == ("error", "Exception in application", "uvicorn.error")
    assert "ValueError: odd" in str(line["exception"])


def test_log__secrets_of_nodes__appear_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    urls = ["https://me:p%40ssw0rd@rpc.example/v3/0123456789abcdef", "https://other.example/?key=topsecret"]
    log_json(secrets=secrets_of(urls))
    try:
        raise OSError(f"cannot reach {urls[0]}")
    except OSError:
        structlog.get_logger().exception("failed", tried=urls, path="/v3/0123456789abcdef", decoded="p@ssw0rd")
    text = capsys.readouterr().err
    for secret in ("p%40ssw0rd", "p@ssw0rd", "0123456789abcdef", "topsecret"):
        assert secret not in text
    assert "rpc.example" in text


def test_redact__credentials_of_any_url__are_gone() -> None:
    assert Redaction([])(None, "", "mqtt://device:hunter2@broker:1883/x") == "mqtt://***@broker:1883/x"


def test_repeat__same_trouble_with_other_numbers__comes_once_a_minute_with_a_count() -> None:
    clock = Time()
    repetition = Repetition(clock)
    problem = {"event": "step_failed", "error": "node at http://a did not answer in 3 s"}
    assert repetition(None, "error", dict(problem)) == problem
    for seconds in (1, 30, 59):
        clock.now = seconds
        with pytest.raises(structlog.DropEvent):
            repetition(None, "error", {**problem, "error": f"node at http://a did not answer in {seconds} s"})
    clock.now = 60
    assert repetition(None, "error", dict(problem)) == {**problem, "repeated": 3}
    clock.now = 121
    assert repetition(None, "error", dict(problem)) == problem


@pytest.mark.parametrize(
    "other",
    [{"event": "member_failed", "member": "0x12Ab"}, {"event": "step_failed", "member": "0x34cD"}],
)
def test_repeat__other_trouble__passes(other: dict[str, str]) -> None:
    repetition = Repetition(Time())
    repetition(None, "error", {"event": "member_failed", "member": "0x34cD"})
    assert repetition(None, "error", dict(other)) == other


def test_repeat__what_is_no_trouble__is_never_held_back() -> None:
    repetition = Repetition(Time())
    for _ in range(3):
        assert repetition(None, "info", {"event": "batch_attested"}) == {"event": "batch_attested"}


def test_repeat__many_kinds__are_remembered_in_bounded_memory() -> None:
    repetition = Repetition(Time())
    for index in range(5_000):
        repetition(None, "error", {"event": "odd", "word": "x" * index})
    assert len(repetition._seen) <= 1_000
