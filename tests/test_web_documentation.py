"""The API's documentation: a document that says what is so, and a page that asks no other host for anything."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from web_client import Client, served

from timestrata import open_history


@pytest.fixture
def anyone() -> Iterator[Client]:
    with open_history("sqlite://") as history, served(history) as one:
        yield one.anyone()


def test_the_page_asks_no_other_host(anyone: Client) -> None:
    page = anyone.get("/docs")

    wanted = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert wanted
    assert all(re.fullmatch(r"/[a-z].*", each) for each in wanted)
    assert {anyone.get(each).status_code for each in wanted} == {200}
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "script" not in page.headers["content-security-policy"]


def test_no_script_stands_in_the_page(anyone: Client) -> None:
    assert re.findall(r"<script[^>]*>([^<]+)", anyone.get("/docs").text) == []


@pytest.mark.parametrize("name", ["../app.py", "..%2Fapp.py", "favicon.png", "redoc.standalone.js", "nothing"])
def test_no_other_file_is_served(anyone: Client, name: str) -> None:
    assert anyone.get(f"/docs/{name}").status_code == 404


def test_every_route_of_the_api_declares_its_refusals_and_its_access(anyone: Client) -> None:
    document = anyone.get("/openapi.json").json()

    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if not path.startswith("/api/"):
                continue
            declared = set(operation["responses"])
            assert {"401", "403", "404", "422", "429", "503"} <= declared, (method, path)
            assert [*operation["security"][0], *operation["security"][1]] == ["bearer", "session"]
            assert all(
                "application/problem+json" in operation["responses"][status]["content"]
                for status in declared
                if status >= "400"
            )
            keys = [each for each in operation.get("parameters", []) if each["name"] == "Idempotency-Key"]
            assert len(keys) == (method == "post"), (method, path)


def test_examples_of_problems_are_whole(anyone: Client) -> None:
    document = anyone.get("/openapi.json").json()
    required = set(document["components"]["schemas"]["Problem"]["required"])

    responses = document["paths"]["/api/v1/events"]["get"]["responses"]
    for status, response in responses.items():
        if status >= "400":
            example = response["content"]["application/problem+json"]["example"]
            assert required <= set(example)
            assert example["status"] == int(status)
