"""Unit tests open no sockets: what needs a node or a server is an integration test."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from pytest_socket import disable_socket, enable_socket


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Only while the test itself runs: Ape's plugin, loaded for all tests, talks to its node before and after."""
    disable_socket(allow_unix_socket=True)  # event loops wake themselves through a pair of them
    try:
        return (yield)
    finally:
        enable_socket()
