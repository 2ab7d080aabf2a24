"""`klaviyo-sandbox`: serve until SIGTERM or SIGINT; the subcommands talk to a sandbox that is running."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec
import requests

from klaviyo_sandbox.http.faults import Schedule, ScheduleError
from klaviyo_sandbox.sandbox import RateLimits, Sandbox
from klaviyo_sandbox.simulation import truth
from klaviyo_sandbox.simulation.truth import TruthError
from klaviyo_wire.webhooks import MOST_EVENTS

_FILE = click.Path(dir_okay=False, path_type=Path)
_SECONDS_TO_ANSWER = 600  # a send to a large audience is played before it is answered


@click.group(invoke_without_command=True)
@click.option(
    "--profiles", type=click.IntRange(0), default=1_000, show_default=True, help="People in the account."
)
@click.option("--events", type=click.IntRange(0), default=5_000, show_default=True, help="Events in the account.")
@click.option(
    "--event-bytes",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Fill smaller events up to this size in an answer, roughly.",
)
@click.option(
    "--segments", type=click.IntRange(0), default=5, show_default=True, help="Segments, beside those named."
)
@click.option("--everybody", is_flag=True, help="Also a segment and a list of all people.")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides everything random.")
@click.option(
    "--latency-ms", type=click.FloatRange(0), default=0, show_default=True, help="Added to every answer."
)
@click.option("--rate-limits", type=click.Choice(["real", "off"]), default="real", show_default=True)
@click.option("--port", type=click.IntRange(0, 65_535), default=0, show_default=True, help="0: a free one.")
@click.option(
    "--import-seconds", type=click.FloatRange(0), default=0.3, show_default=True, help="Length of an import."
)
@click.option(
    "--settle-seconds",
    type=click.FloatRange(0),
    default=0.3,
    show_default=True,
    help="Until events, consent, suppressions and deletions take effect.",
)
@click.option(
    "--advanced-kdp/--no-advanced-kdp", default=True, show_default=True, help="Without it webhooks are refused."
)
@click.option("--ready-file", type=_FILE, help='Write {"url", "api_key"} here once it listens.')
@click.option("--faults", type=_FILE, help="Schedule of faults, JSON or YAML.")
@click.option("--truth", "truth_file", type=_FILE, help="What a campaign sent through the API truly causes.")
def main(**options: Any) -> None:  # noqa: ANN401 - click's
    """A local Klaviyo, stricter than the vendor."""
    if click.get_current_context().invoked_subcommand is None:
        _serve(**options)


def _serve(
    *,
    port: int,
    ready_file: Path | None,
    faults: Path | None,
    truth_file: Path | None,
    rate_limits: RateLimits,
    **world: Any,  # noqa: ANN401 - what else `Sandbox` takes
) -> None:
    try:
        if faults:
            Schedule().load(faults)  # before the world is made, which may take a while
        effects = truth.load(truth_file) if truth_file else None
        sandbox = Sandbox(port=port, rate_limits=rate_limits, truth=effects, **world)
        if faults:
            sandbox.faults.load(faults)
    except (ScheduleError, TruthError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    try:
        asyncio.run(_run(sandbox, ready_file))
    except OSError as error:
        message = f"cannot listen on port {port}: {os.strerror(error.errno or 0)}"
        raise click.ClickException(message) from None


async def _run(sandbox: Sandbox, ready_file: Path | None) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, sandbox.stop)

    def announce() -> None:
        if ready_file:
            try:
                _write_whole(ready_file, json.dumps({"url": sandbox.url, "api_key": sandbox.api_key}))
            except OSError as error:
                message = f"cannot write {ready_file}: {error.strerror}"
                raise click.ClickException(message) from None
        click.echo(f"klaviyo-sandbox listening on {sandbox.url}")
        sys.stdout.flush()

    await sandbox.run(announce)


def _write_whole(path: Path, text: str) -> None:
    """Write so that a reader sees all of it or nothing."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(text)
    Path(file.name).replace(path)


def _url_option(command: Callable[..., None]) -> Callable[..., None]:
    return click.option("--url", required=True, envvar="KLAVIYO_SANDBOX_URL", help="Where the sandbox listens.")(
        command
    )


@main.command()
@_url_option
@click.option("--template", required=True, help="Id or name of the template.")
@click.option("--audience", required=True, help="Id or name of the segment or list.")
@click.option("--truth", "truth_file", type=_FILE, help="What the arms truly cause, YAML or JSON.")
@click.option("--name", help="Name of the campaign.")
@click.option("--seed", type=int, help="Decides everybody's luck.")
@click.option("--at", type=int, help="When the send starts, seconds since the epoch; default: it ends now.")
@click.option("--duration", type=click.IntRange(0), help="Seconds until the last response.")
@click.option("--late-by", type=click.IntRange(1), help="How many seconds late late events can be.")
def send(url: str, truth_file: Path | None, **options: Any) -> None:  # noqa: ANN401 - click's
    """Make a campaign, play its send, and print what truly happened."""
    asked = {name: value for name, value in options.items() if value is not None}
    if truth_file:
        try:
            asked["truth"] = msgspec.to_builtins(truth.load(truth_file))
        except TruthError as error:
            raise click.ClickException(str(error)) from None
    _show(_call("POST", url, "send", asked))


@main.command()
@_url_option
def counts(url: str) -> None:
    """Print how many rows each stream has."""
    _show(_call("GET", url, "counts"))


@main.command("requests")
@_url_option
def show_requests(url: str) -> None:
    """Print the requests by operation and status, the rows, and what writes did carelessly."""
    _show(_call("GET", url, "requests"))


@main.command()
@_url_option
@click.option("--file", "path", type=_FILE, help="Schedule these faults, JSON or YAML.")
@click.option("--clear", is_flag=True, help="Forget the schedule first.")
def faults(url: str, path: Path | None, clear: bool) -> None:  # noqa: FBT001 - click's
    """Schedule faults, and print the schedule with what it struck."""
    if clear:
        _call("DELETE", url, "faults")
    if path:
        try:
            document = Schedule.decode(path)
        except ScheduleError as error:
            raise click.ClickException(str(error)) from None
        _call("POST", url, "faults", document)
    _show(_call("GET", url, "faults"))


@main.command("release-late-events")
@_url_option
def release_late_events(url: str) -> None:
    """Make all late events readable."""
    _show(_call("POST", url, "late-events/release"))


@main.command()
@_url_option
def settle(url: str) -> None:
    """Let what was accepted take effect now, and print how many rows each stream has."""
    _show(_call("POST", url, "settle"))


@main.command()
@_url_option
@click.option("--advance", type=float, required=True, help="Seconds.")
def clock(url: str, advance: float) -> None:
    """Move the sandbox's clock ahead."""
    _show(_call("POST", url, "clock", {"advance": advance}))


@main.command("call-webhooks")
@_url_option
@click.option("--most", type=click.IntRange(1, MOST_EVENTS), help="Events in one call.")
@click.option("--duplicates", type=click.FloatRange(0, 1), help="How many of the calls are made twice.")
@click.option("--shuffled", is_flag=True, default=None, help="Events and calls come in no order.")
@click.option("--header-hours", type=float, help="How far the header's clock is off.")
def call_webhooks(url: str, **manner: Any) -> None:  # noqa: ANN401 - click's
    """Call the webhooks of this machine for what was recorded since, and print what they answered."""
    asked = {name: value for name, value in manner.items() if value is not None}
    _show(_call("POST", url, "webhook-calls", asked))


@main.command("call-flow-webhook")
@_url_option
@click.option("--flow", help="The flow's name; it is made if there is none.")
@click.option("--to", "address", help="The webhook's address, of this machine; by default the one it has.")
@click.option("--header", "headers", multiple=True, help="`Name: value`; several are allowed.")
@click.option("--body", type=_FILE, help="The webhook's body: a template.")
@click.option("--profile", "profiles", multiple=True, help="Who enters the flow, by id or e-mail; several go.")
@click.option("--event", type=_FILE, help="Properties of the event that started it, JSON.")
@click.option("--hours", type=float, default=0, help="Play what is due by then, and move the clock ahead.")
def call_flow_webhook(url: str, **given: Any) -> None:  # noqa: ANN401 - click's
    """Let people enter a flow whose webhook action calls, and print what became of the calls that are due.

    Without --profile, only of those that are due again.
    """
    asked: dict[str, object] = {name: given[name] for name in ("flow", "profiles", "hours")}
    address, body, event = given["address"], given["body"], given["event"]
    if address is not None:
        text = _text(body) if body else ""
        asked["webhook"] = {"url": address, "headers": _headers(given["headers"]), "body": text}
    elif given["headers"] or body:
        message = "--header and --body are of a webhook: give its address with --to"
        raise click.UsageError(message)
    if event is not None:
        try:
            asked["event"] = json.loads(_text(event))
        except ValueError:
            message = f"{event}: is no JSON"
            raise click.ClickException(message) from None
    _show(_call("POST", url, "flow-webhook-calls", asked))


def _headers(given: tuple[str, ...]) -> dict[str, str]:
    if any(":" not in each for each in given):
        message = "a --header is written `Name: value`"
        raise click.UsageError(message)
    return {name.strip(): value.strip() for name, _, value in (each.partition(":") for each in given)}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        message = f"{path}: {getattr(error, 'strerror', None) or 'is no text'}"
        raise click.ClickException(message) from None


def _call(method: str, url: str, path: str, document: object = None) -> object:
    try:
        response = requests.request(
            method, f"{url.rstrip('/')}/sandbox/{path}", json=document, timeout=_SECONDS_TO_ANSWER
        )
        answer = response.json()
    except requests.RequestException as error:
        message = f"no sandbox answers at {url} ({type(error).__name__})"
        raise click.ClickException(message) from None
    if not response.ok:
        raise click.ClickException(answer["error"])
    return answer


def _show(answer: object) -> None:
    click.echo(json.dumps(answer, indent=2))
