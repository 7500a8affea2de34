"""What draws charts, as a program of its own: `python -m timestrata.charts bundle|png|svg|pdf [WIDTH]`.

`bundle` prints the JavaScript module that draws specifications in browsers. The others read a Vega-Lite specification
from standard input and write its picture to standard output.
"""

from __future__ import annotations

import json
import sys

from timestrata.charts.pictures import FORMS, WIDTH, bundle, picture


def main(arguments: list[str]) -> int:
    """Print the bundle or a picture; return 2, and print how to call it, for other arguments."""
    match arguments:
        case ["bundle"]:
            sys.stdout.buffer.write(bundle().encode())
        case [form, *rest] if form in FORMS and len(rest) <= 1 and all(each.isdecimal() for each in rest):
            width = int(rest[0]) if rest else WIDTH
            sys.stdout.buffer.write(picture(json.load(sys.stdin.buffer), form, width=width))
        case _:
            sys.stderr.write(f"usage: python -m timestrata.charts bundle|{'|'.join(FORMS)} [WIDTH]\n")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
