"""The web page for people: server-rendered, live by SSE, its scripts and styles in files of their own."""

from gridwitness.api.portal.pages.routes import install_pages
from gridwitness.api.portal.pages.static_files import STATIC_DIR

__all__ = ["STATIC_DIR", "install_pages"]
