"""What the tests of the pages share: the headers of a browser, and what a page has in its forms."""

from __future__ import annotations

import html
import re

import httpx2
from web_client import Client, Served

from timestrata.web.principals import COOKIE

HTML = {"Accept": "text/html,*/*", "Sec-Fetch-Site": "same-origin"}


def browser(one: Served, *scopes: str, user: str | None = None) -> Client:
    """Return the browser of somebody with a token of these scopes."""
    token = one.history.access.create_token("test", scopes, user).secret
    return Client(one, {**HTML, "Cookie": f"{COOKIE}={token}"})


def fields(page: str, action: str) -> dict[str, str]:
    """Return the hidden fields of the form that a page sends to a path."""
    [form] = re.findall(rf'<form method="post" action="{re.escape(html.escape(action))}".*?</form>', page, re.DOTALL)
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form)
    return {name: html.unescape(value) for name, value in hidden}


def send(client: Client, page: str, action: str, **more: str) -> httpx2.Response:
    """Send the form of a page as a browser does."""
    return client.post(action, data={**fields(page, action), **more})


def texts(page: str) -> str:
    """Return what of a page can be read, without its tags, in single spaces."""
    plain = html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<(script|head)\b.*?</\1>", " ", page)))
    return " ".join(plain.split())
