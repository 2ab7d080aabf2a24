"""Takes the picture on the front page: the upper part of the report that `make demo` has written."""

from __future__ import annotations

import base64
import sys

from project import ROOT

sys.path.insert(0, str(ROOT / "plugins" / "lift-report" / "tests"))

from headless_browser import NoBrowser, browser

REPORT, PICTURE = ROOT / ".demo" / "report.html", ROOT / "docs" / "images" / "report.png"
WIDTH, HEIGHT = 900, 1330


def main() -> None:
    """Write the picture, or say what is missing."""
    if not REPORT.is_file():
        sys.exit(f"there is no {REPORT}: run `make demo` first")
    try:
        with browser() as page:
            page.open(REPORT, width=WIDTH)
            part = {"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT, "scale": 1}
            shot = page.call("Page.captureScreenshot", captureBeyondViewport=True, clip=part)
    except NoBrowser as reason:
        sys.exit(str(reason))
    PICTURE.write_bytes(base64.b64decode(shot["data"]))
    print(PICTURE.relative_to(ROOT))


if __name__ == "__main__":
    main()
