"""Requests to a service: the token, keys, retries, and answers that are read or raised."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx2
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_chain, wait_fixed

from timestrata.client.refusals import ServiceUnavailable, UnexpectedAnswer, error_of
from timestrata.errors import InvalidFact, InvalidRequest
from timestrata.facts import askable, checked_text
from timestrata.formats.results import result

T = TypeVar("T")
Parameters = Mapping[str, object]

WAITS = (1, 2, 4)
"""Seconds before each further attempt."""

_DOWN = frozenset((502, 503, 504))
_JSON = "application/json"
_NOBODY = "\0"


class Requests:
    """Sends requests to one service. Threads may share it."""

    def __init__(
        self, url: str, token: str | None, http: httpx2.Client | None, timeout: float, wait: Callable[[float], None]
    ) -> None:
        self.url = _checked(url)
        self._own = http is None
        self._http = http if http is not None else httpx2.Client(timeout=httpx2.Timeout(timeout, connect=10))
        self._auth = _Bearer(token)
        self._wait = wait

    def close(self) -> None:
        """Close the connections, unless they are the caller's."""
        if self._own:
            self._http.close()

    def get(
        self, kind: type[T], path: str, parameters: Parameters | None = None, *, about: Parameters | None = None
    ) -> T:
        """Return what a route answers. `about` is what an error of this request is about, by attribute."""
        return self._read(kind, self._send("GET", path, parameters), about)

    def post(
        self,
        kind: type[T],
        path: str,
        body: object = None,
        parameters: Parameters | None = None,
        key: str | None = None,
        *,
        or_else: Callable[[Mapping[str, Any]], T | None] | None = None,
        about: Parameters | None = None,
    ) -> T:
        """Make a change once, under an idempotency key, and return what it answers.

        `or_else` may read a refusal, from its problem document, as an answer.
        """
        key = uuid4().hex if key is None else _checked_key(key)
        response = self._send("POST", path, parameters, {"Idempotency-Key": key}, body)
        if or_else is not None and not response.is_success:
            answer = or_else(_problem(response))
            if answer is not None:
                return answer
        return self._read(kind, response, {"key": key, **(about or {})})

    def put(self, kind: type[T], path: str, body: object, revision: int | None, about: Parameters) -> T:
        """Replace what is at a revision, None: at any."""
        return self._read(kind, self._send("PUT", path, None, _if_match(revision), body), about)

    def delete(self, kind: type[T], path: str, parameters: Parameters, revision: int | None, about: Parameters) -> T:
        """Delete what is at a revision, None: at any."""
        return self._read(kind, self._send("DELETE", path, parameters, _if_match(revision)), about)

    def stream(self, kind: type[T], path: str, lines: bytes) -> T:
        """Post lines of JSON, which may be repeated: each is known by itself."""
        return self._read(kind, self._send("POST", path, None, {"Content-Type": "application/x-ndjson"}, lines), None)

    def _send(
        self,
        method: str,
        path: str,
        parameters: Parameters | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
    ) -> httpx2.Response:
        """Return what is answered, after some attempts. Each kind of request may be repeated: it is done once."""
        request = self._http.build_request(
            method,
            self.url + path,
            params={name: _text(name, value) for name, value in (parameters or {}).items() if value is not None},
            headers={"Accept": _JSON, **({} if body is None else {"Content-Type": _JSON}), **(headers or {})},
            content=None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode(),
        )
        again = Retrying(
            retry=retry_if_exception_type(_Passing),
            wait=wait_chain(*map(wait_fixed, WAITS)),
            stop=stop_after_attempt(1 + len(WAITS)),
            sleep=self._wait,
            reraise=True,
        )
        try:
            return again(self._attempt, request)
        except _Passing as passing:
            if passing.response is not None:
                return passing.response
            # Without the cause, which holds the request and with it the token.
            raise ServiceUnavailable(f"cannot reach {self.url}: {passing}") from None

    def _attempt(self, request: httpx2.Request) -> httpx2.Response:
        try:
            response = self._http.send(request, auth=self._auth)
        except httpx2.TransportError as error:
            raise _Passing(str(error) or type(error).__name__) from None
        except httpx2.HTTPError as error:
            raise UnexpectedAnswer(f"{self.url} cannot be read: {error}") from None
        if response.status_code in _DOWN:
            raise _Passing(str(response.status_code), response)
        return response

    def _read(self, kind: type[T], response: httpx2.Response, about: Parameters | None) -> T:
        if not response.is_success:
            raise self._refusal(response, about or {})
        try:
            return result(kind, response.json())
        except InvalidFact as error:
            raise UnexpectedAnswer(f"{self.url} is of another version than this client: {error}") from error
        except ValueError as error:
            raise UnexpectedAnswer(f"{self.url} answers no JSON: is this the service?") from error

    def _refusal(self, response: httpx2.Response, about: Parameters) -> Exception:
        document = _problem(response)
        if "code" in document:
            return error_of(response.status_code, document, about, is_question=response.request.method == "GET")
        if response.status_code in _DOWN:
            return ServiceUnavailable(f"{self.url} answers {response.status_code}: it, or what it is behind, is down")
        return UnexpectedAnswer(f"{self.url} answers {response.status_code} without saying why: is this the service?")


def _problem(response: httpx2.Response) -> dict[str, Any]:
    """Return the problem document of a refusal, empty when it is none."""
    try:
        document = response.json()
    except ValueError:
        return {}
    if not isinstance(document, dict):
        return {}
    after = response.headers.get("Retry-After", "")
    return {**document, "retry_after_seconds": int(after) if after.isascii() and after.isdecimal() else None}


def _if_match(revision: int | None) -> dict[str, str]:
    return {"If-Match": "*" if revision is None else f'"{revision}"'}


class _Bearer(httpx2.Auth):
    """Puts the token on a request as it leaves, so that it is nowhere else."""

    def __init__(self, token: str | None) -> None:
        if token is not None and not (token and all("!" <= each <= "~" for each in token)):
            raise InvalidRequest("token", "...", "a token as it was shown when it was made")  # it is not shown again
        self._token = token

    def __repr__(self) -> str:
        return "_Bearer(...)"

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Add the header."""
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


class _Passing(Exception):
    """The request may succeed in a moment: nothing came back, or that the service is not there now."""

    def __init__(self, reason: str, response: httpx2.Response | None = None) -> None:
        super().__init__(reason)
        self.response = response


def segment(name: str) -> str:
    """Return an id as one segment of a path; one that no store can hold as one that nobody has."""
    # A dot, though allowed, would make the segment ".." go up.
    return quote(askable(name) or _NOBODY, safe="").replace(".", "%2E")


def _text(name: str, value: object) -> str:
    """Return a parameter as text; a name that no store can hold as one that nobody has."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if name in ("user_id", "ticket_type", "template"):
        return askable(value) or _NOBODY  # type: ignore[arg-type]
    return str(value).encode("utf-8", "replace").decode()


def _checked(url: str) -> str:
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError) as error:
        raise InvalidRequest("url", url, "the address of a service, as in http://localhost:8000") from error
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo or parsed.query or parsed.fragment:
        shown = url if not parsed.userinfo else f"{parsed.scheme}://...@{parsed.host}"
        raise InvalidRequest("url", shown, "the address of a service, as in http://localhost:8000, the token apart")
    return url.rstrip("/")


def _checked_key(key: str) -> str:
    if not all(" " <= each <= "~" for each in checked_text("key", key)):  # a header has to hold it
        raise InvalidFact("key", key, "printable ASCII characters")
    return key
