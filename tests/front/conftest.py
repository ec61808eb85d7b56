"""A check for pages that need nothing but themselves."""

import re
from html.parser import HTMLParser

import pytest


@pytest.fixture
def outside_references():
    """A function that lists what in a page refers to anything outside of it, or could fetch it."""
    return _outside_references


def _outside_references(page: str) -> list[str]:
    parser = _References()
    parser.feed(page)
    texts = re.findall(r"https?://[^\s\"'<]+|url\([^)]*\)|@import[^;}]*", page)
    namespaces = ("http://www.w3.org/",)
    return parser.found + [text for text in texts if not text.startswith(namespaces)]


class _References(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag in ("script", "link", "iframe", "object", "embed", "base"):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            loads = name in ("src", "srcset", "href", "poster", "action", "data", "background")
            if loads and not (value or "").startswith(("data:", "#")):
                self.found.append(f"{tag} {name}={value}")
