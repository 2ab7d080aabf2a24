"""Takes the picture on the front page: the beginning of the first experiment in the report of `make demo`."""

from __future__ import annotations

import base64
import sys
import time

from project import ROOT

sys.path.insert(0, str(ROOT / "plugins" / "lift-report" / "tests"))

from headless_browser import NoBrowser, browser

REPORT, PICTURE = ROOT / ".demo" / "report.html", ROOT / "docs" / "images" / "report.png"
WIDTH, HEIGHT = 900, 1130
ABOVE = 24
"""Pixels between the upper edge and the experiment's name."""
_SECONDS_TO_SHOW = 2


def main() -> None:
    """Write the picture, or say what is missing."""
    if not REPORT.is_file():
        sys.exit(f"there is no {REPORT}: run `make demo` first")
    try:
        with browser() as page:
            page.open(REPORT, width=WIDTH)
            top = page.ask("(e1.scrollIntoView(), e1.getBoundingClientRect().top + scrollY)") - ABOVE
            time.sleep(_SECONDS_TO_SHOW)  # what people saw is only painted when it comes into view
            part = {"x": 0, "y": top, "width": WIDTH, "height": HEIGHT, "scale": 1}
            shot = page.call("Page.captureScreenshot", captureBeyondViewport=True, clip=part)
    except NoBrowser as reason:
        sys.exit(str(reason))
    PICTURE.write_bytes(base64.b64decode(shot["data"]))
    print(PICTURE.relative_to(ROOT))


if __name__ == "__main__":
    main()
