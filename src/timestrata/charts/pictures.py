"""Pictures of charts without a browser, and the library that draws them in one.

Both run a JavaScript engine, which takes 100 MB once it is used: a server has it in another process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from timestrata.charts.themes import ROOM
from timestrata.errors import InvalidRequest

BUNDLE_SNIPPET = "export default vegaEmbed;"
"""What the bundle exports; another one makes another bundle."""

WIDTH = 760
SCALE = 2
FORMS = ("png", "svg", "pdf")

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TWO_UNITS = re.compile("[\U00010000-\U0010ffff]")
_LETTER = 7
_WIDE_LETTER = 14
"""Pixels that a letter of a label takes, and that an emoji or an ideograph does."""


def bundle() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one JavaScript module whose default export is `vegaEmbed`."""
    import vl_convert  # here, because whoever only names the bundle needs no engine

    return str(vl_convert.javascript_bundle(BUNDLE_SNIPPET))


def picture(spec: Mapping[str, Any], form: str, *, width: int = WIDTH, scale: float = SCALE) -> bytes:
    """Draw a Vega-Lite specification as "png", "svg" or "pdf".

    width: of the whole picture, in points; a PNG has `scale` pixels for each.
    Nothing is fetched: data has to be in the specification. Raises InvalidRequest for another form, and for a
    specification that cannot be drawn.
    """
    if form not in FORMS:
        raise InvalidRequest("format", form, f"one of {', '.join(FORMS)}")
    import vl_convert

    room = {"name": ROOM, "value": width}
    params = [room if each["name"] == ROOM else each for each in spec.get("params", ())]
    sized = _legible({**spec, "width": width, "params": params})
    if _TWO_UNITS.search(json.dumps(sized, ensure_ascii=False)):
        sized = _cut_between_letters(sized)
    try:
        match form:
            case "png":
                return bytes(vl_convert.vegalite_to_png(sized, scale=scale, allowed_base_urls=[]))
            case "pdf":
                return bytes(vl_convert.vegalite_to_pdf(sized, allowed_base_urls=[]))
        return str(vl_convert.vegalite_to_svg(sized, allowed_base_urls=[])).encode()
    except ValueError as error:
        raise InvalidRequest("chart", str(error).split("\n    at ")[0], "a specification that can be drawn") from error


def _legible(value: Any) -> Any:
    """Return a specification without characters that XML does not allow: the engine ends the process at one."""
    if isinstance(value, str):
        return _NOT_IN_XML.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {_legible(name): _legible(each) for name, each in value.items()}
    return [_legible(each) for each in value] if isinstance(value, list | tuple) else value


def _cut_between_letters(value: Any) -> Any:
    """Return a specification whose long labels are cut between two letters, by their number.

    The engine cuts at a width, by UTF-16 units: half an emoji is no text, and ends the drawing.
    """
    if isinstance(value, Mapping):
        found = {name: _cut_between_letters(each) for name, each in value.items()}
        if (limit := value.get("labelLimit")) is not None:
            pixels = limit["expr"] if isinstance(limit, Mapping) else limit
            letter = f"(test(/[\\ud800-\\udfff]/, datum.label) ? {_WIDE_LETTER} : {_LETTER})"
            longer = f"regexp('^(.{{' + floor(({pixels}) / {letter}) + '}}).{{2,}}$', 'su')"
            found |= {"labelLimit": 0, "labelExpr": f"replace(datum.label, {longer}, '$1…')"}
        return found
    return [_cut_between_letters(each) for each in value] if isinstance(value, list | tuple) else value
