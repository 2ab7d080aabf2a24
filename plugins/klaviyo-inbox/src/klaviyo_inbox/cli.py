"""The command `klaviyo-inbox`: serve, look at what was put away, try it again, and remove what is old."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from klaviyo_inbox import moments
from klaviyo_inbox.delivery import DeadLetter, Delivery, Parcel, Receipt, UnusableError
from klaviyo_inbox.forgotten import Forgotten
from klaviyo_inbox.settings import PROGRAM, InboxSettings
from klaviyo_inbox.sources import SOURCES
from klaviyo_inbox.store import open_for_reading
from klaviyo_inbox.store.base import Removed
from singer_program.command import config_option, run_command
from singer_program.errors import ProgramError

if TYPE_CHECKING:
    from klaviyo_inbox.store.base import Store, StoredDeadLetter


def main() -> int:
    """Run the command with the arguments of the process; returns the exit status."""
    return run_command(command, PROGRAM)


@click.group()
def command() -> None:
    """Take what is pushed: Klaviyo's webhooks, flows, orders, site events, forms."""


@command.command()
@config_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path),
    help="Written once deliveries are accepted: JSON with the `url`.",
)
def serve(config: tuple[str, ...], host: str, port: int, ready_file: Path | None) -> None:
    """Take deliveries until it is stopped. A proxy in front of it ends TLS."""
    from klaviyo_inbox.server import serve as serve_on  # noqa: PLC0415 - the other commands start without it

    settings = InboxSettings.read(PROGRAM, config)
    settings.check_open()
    try:
        listening = socket.create_server((host, port), backlog=2048)
    except OSError as error:
        message = f"--host {host} --port {port}: {error.strerror}; choose another, or end what listens there"
        raise ProgramError(message) from error
    with listening:
        serve_on(settings, listening, ready_file)


@command.command("dead-letters")
@config_option
@click.option(
    "--show", "number", type=int, metavar="NUMBER", help="Print the body of this one, which holds people."
)
@click.option("--json", "as_json", is_flag=True, help="A line of JSON each.")
def dead_letters(config: tuple[str, ...], number: int | None, *, as_json: bool) -> None:
    """List what was put away: it was verified, and is of no use as it is."""
    with closing(_store(config)) as store:
        if number is not None:
            click.echo(_delivery(store, number).body)
            return
        for each in store.dead_letters():
            click.echo(_as_json(each) if as_json else _as_text(each))


@command.command()
@config_option
@click.argument("numbers", nargs=-1, type=int, metavar="[NUMBER]...")
@click.option("--all", "everything", is_flag=True, help="All that were put away.")
def retry(config: tuple[str, ...], numbers: tuple[int, ...], *, everything: bool) -> None:
    """Read what was put away once more, after an upgrade: what has become of use is stored."""
    settings = InboxSettings.read(PROGRAM, config)
    forgotten = Forgotten.of(settings)
    with closing(open_for_reading(settings.store)) as store:
        names = {each.number: each.source for each in store.dead_letters()}
        outcomes = [
            _retried(store, forgotten, number, names) for number in _chosen(numbers, names, everything=everything)
        ]
        stored = sum(each.stored + each.duplicates for each in outcomes)
        click.echo(f"{stored} stored, {sum(each.put_away for each in outcomes)} put away again")


@command.command()
@config_option
@click.argument("numbers", nargs=-1, type=int, metavar="[NUMBER]...")
@click.option("--all", "everything", is_flag=True, help="All that were put away.")
def forget(config: tuple[str, ...], numbers: tuple[int, ...], *, everything: bool) -> None:
    """Remove what was put away for good."""
    with closing(_store(config)) as store:
        names = {each.number: each.source for each in store.dead_letters()}
        chosen = _chosen(numbers, names, everything=everything)
        for number in chosen:
            store.settle(number, None)
        click.echo(f"{len(chosen)} removed")


@command.command()
@config_option
@click.option("--days", type=click.FloatRange(min=0), help="Instead of the setting `retention_days`.")
@click.option(
    "--forgotten", "of_forgotten", is_flag=True, help="Instead: what came of people before they were forgotten."
)
@click.option("--dry-run", is_flag=True, help="Say how much that is, and remove nothing.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object instead of a line.")
def prune(
    config: tuple[str, ...], days: float | None, *, of_forgotten: bool, dry_run: bool, as_json: bool
) -> None:
    """Remove what was received long ago, as the receiver does every hour, whether the tap has read it or not."""
    settings = InboxSettings.read(PROGRAM, config)
    if of_forgotten:
        if days is not None:
            message = "`--forgotten` removes what is about people whatever its age: leave `--days` out"
            raise ProgramError(message)
        removed = _removed_of_forgotten(settings, dry_run=dry_run)
    else:
        removed = _removed_for_age(settings, days, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps(removed._asdict()))
        return
    verb = "would be removed" if dry_run else "removed"
    click.echo(f"{removed.records:,} records and {removed.dead_letters:,} dead letters {verb}")


def _removed_of_forgotten(settings: InboxSettings, *, dry_run: bool) -> Removed:
    if settings.forgotten_path is None:
        message = "the settings `forgotten_path` and `forgotten_key` are needed: the list of who was forgotten"
        raise ProgramError(message)
    with closing(open_for_reading(settings.store)) as store:
        records, dead_letters = _of_forgotten(Forgotten.of(settings), store)
        if not dry_run:  # with nothing to remove too: a run that was killed may have left it beside the store
            store.remove(records, dead_letters)
    return Removed(len(records), len(dead_letters))


def _of_forgotten(forgotten: Forgotten, store: Store) -> tuple[list[int], list[int]]:
    """The numbers of the records and of the dead letters that are about somebody who was forgotten since.

    What people said themselves stays until it is too old: the warehouse is to hear it.
    """
    newest = store.state().newest
    records = [
        each.sequence
        for stream in dict.fromkeys(source.stream.name for source in SOURCES if not source.own_word)
        for each in store.records(stream, 0, newest)
        if forgotten.is_about(each.record)
    ]
    own_words = {source.name for source in SOURCES if source.own_word}
    dead_letters = []
    for each in store.dead_letters():
        delivery = None if each.source in own_words else store.dead_delivery(each.number)
        if delivery is not None and forgotten.is_mentioned(delivery.body):
            dead_letters.append(each.number)
    return records, dead_letters


def _removed_for_age(settings: InboxSettings, days: float | None, *, dry_run: bool) -> Removed:
    with closing(open_for_reading(settings.store)) as store:
        age = timedelta(days=settings.retention_days if days is None else days)
        before = moments.now() - age
        return store.prunable(before) if dry_run else store.prune_all(before)


def _store(config: tuple[str, ...]) -> Store:
    return open_for_reading(InboxSettings.read(PROGRAM, config).store)


def _chosen(numbers: tuple[int, ...], names: Mapping[int, str], *, everything: bool) -> list[int]:
    """The dead letters that a command is about.

    Raises:
        ProgramError: it does not say, or there is none of a number.
    """
    if everything == bool(numbers):
        message = "say which: numbers as `klaviyo-inbox dead-letters` lists them, or `--all`"
        raise ProgramError(message)
    for number in numbers:
        if number not in names:
            raise _unknown(number)
    return list(names) if everything else list(dict.fromkeys(numbers))


def _retried(store: Store, forgotten: Forgotten, number: int, names: Mapping[int, str]) -> Receipt:
    delivery = _delivery(store, number)
    source = next((each for each in SOURCES if each.name == names[number]), None)
    if source is None:
        message = f"dead letter {number} is of the source `{names[number]}`, which this version does not have"
        raise ProgramError(message)
    try:
        parcel = source.parcel(delivery)
    except UnusableError as error:
        dead = (DeadLetter(str(error), delivery.body),)
        parcel = Parcel(source.name, source.stream.name, delivery, (), dead)
    return store.settle(number, forgotten.sift(source, parcel).parcel)


def _delivery(store: Store, number: int) -> Delivery:
    """A dead letter as it came.

    Raises:
        ProgramError: there is none of the number.
    """
    delivery = store.dead_delivery(number)
    if delivery is None:
        raise _unknown(number)
    return delivery


def _unknown(number: int) -> ProgramError:
    return ProgramError(f"there is no dead letter {number}: `klaviyo-inbox dead-letters` lists them")


def _as_json(each: StoredDeadLetter) -> str:
    return json.dumps(each._asdict())


def _as_text(each: StoredDeadLetter) -> str:
    return f"{each.number}  {each.received_at}  {each.source}  {each.size:,} bytes  {each.reason}"
