"""Starts the receiver with the variables of `.env` and the store of an environment: `klaviyo-inbox serve`."""

from __future__ import annotations

import argparse
import os
import sys

from home import make_private
from project import BIN, NotStarted, home_of, inbox_store, read_dotenv


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", default="dev", help="of meltano.yml: its home holds the store")
    asked, options = parser.parse_known_args()  # those it does not know are for `klaviyo-inbox serve`
    read_dotenv()
    variables = os.environ
    if not (variables.get("KLAVIYO_INBOX_STORE") or "").strip():
        try:
            home = home_of(asked.environment, variables)
        except NotStarted as error:
            sys.exit(str(error))
        make_private(home)
        variables["KLAVIYO_INBOX_STORE"] = inbox_store(home, variables)
    program = BIN / "klaviyo-inbox"
    os.execv(program, [str(program), "serve", *options])  # noqa: S606 - our own program


if __name__ == "__main__":
    main()
