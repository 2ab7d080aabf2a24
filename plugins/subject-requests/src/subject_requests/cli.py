"""The command `subject-requests`: an error is one line with its remedy, and nothing half done is left."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import reduce, wraps
from pathlib import Path
from typing import Any

import click

from klaviyo_wire.errors import KlaviyoError
from singer_program.command import config_option, run_command, to_stderr
from singer_program.errors import ProgramError
from singer_program.identifiers import Identifier, mentioned_in
from singer_program.people_list import key_fault
from subject_requests import activities, controller, rejects, retention
from subject_requests.erasure import Erased, Erasure, Fate
from subject_requests.export import Places, gathered
from subject_requests.klaviyo import READ, connected
from subject_requests.laws import CLOCKS
from subject_requests.moments import in_a_zone
from subject_requests.package import check, write
from subject_requests.people_file import PeopleFile
from subject_requests.person import Person, identifiers_of, person_of
from subject_requests.privacy_request import (
    ACCESS,
    DELETION,
    IDENTITY_VERIFIED,
    PROFILE,
    RESTRICTION,
    WAREHOUSE,
    Asked,
    person_in,
)
from subject_requests.processing_log import Entry, Place, ProcessingLog
from subject_requests.record import written
from subject_requests.settings import PROGRAM, RequestSettings
from subject_requests.verification import STATUSES, State, looked_for, so_far
from subject_requests.warehouse import opened

Somebody = Mapping[str, str | None]
"""What a command is told of a person, by kind of identifier."""
_LISTS = {"forgotten": "forgotten_path", "restricted": "restricted_path"}
_RIGHTS = {"forgotten": DELETION, "restricted": RESTRICTION}
"""What a request asks for that puts somebody on each of them."""
NOTED = ("confirmed", IDENTITY_VERIFIED, "extended", "accepted", "refused", "closed")
"""What `note` says of a request: what no other command does."""


class _Moment(click.ParamType):  # type: ignore[type-arg]
    """A moment as in ISO 8601; without an offset it is UTC."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:  # noqa: ANN401
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail("it is no moment as in ISO 8601, such as 2026-11-29T10:00:00Z", param, ctx)
        return in_a_zone(moment)


class _Line(click.ParamType):  # type: ignore[type-arg]
    """A line of the log: its number and its hash."""

    name = "line"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Place:  # noqa: ANN401
        number, _, digest = str(value).partition(":")
        if not number.isdecimal() or re.fullmatch("[0-9a-f]{64}", digest) is None:
            self.fail("it is no line of a log, such as 12:<64 hexadecimal digits>", param, ctx)
        return Place(int(number), digest)


_PERSON = (
    click.option("--email", help="Their e-mail address."),
    click.option("--phone-number", help="Their phone number, with + and the country's code."),
    click.option("--external-id", help="Your own id of them."),
    click.option("--profile-id", help="Klaviyo's id of their profile."),
)
_WAREHOUSE = click.option(
    "--warehouse", metavar="PLACE", help="Instead of the setting: a DuckDB file, or a `postgresql://` URL."
)
_LIST = click.option(
    "--list", "name", type=click.Choice(list(_LISTS)), default="forgotten", show_default=True, help="Which list."
)
_BECAUSE = click.option(
    "--because",
    help="What asks for it, such as a statement; kept in the log. Needed where there is no `--request`.",
)
_REQUEST = click.option(
    "--request", metavar="ID", help="The request that is answered, a row of `privacy_requests`."
)
_VERIFIED = click.option(
    "--verified-at",
    type=_Moment(),
    help="When it was seen that it is they who ask, if the request is kept elsewhere.",
)


def _of_somebody(function: Callable[..., None]) -> Callable[..., None]:
    """The options that tell whom a command is about; it gets them as `somebody`, by kind of identifier."""

    @wraps(function)
    def called(
        *,
        email: str | None,
        phone_number: str | None,
        external_id: str | None,
        profile_id: str | None,
        **others: Any,  # noqa: ANN401 - whatever other options the command has
    ) -> None:
        function(
            somebody={"id": profile_id, "email": email, "phone_number": phone_number, "external_id": external_id},
            **others,
        )

    return reduce(lambda made, option: option(made), reversed(_PERSON), called)


def main() -> int:
    """Do what is asked; the exit status."""
    return run_command(command, PROGRAM, errors=(KlaviyoError,))


@click.group()
def command() -> None:
    """Answer requests of people for their data."""


@command.command()
@config_option
@_of_somebody
@_REQUEST
@_VERIFIED
@_WAREHOUSE
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder to make, none or an empty one; or a file that ends in `.zip`.",
)
@click.option("--law", type=click.Choice(list(CLOCKS)), help="Whose clock runs, if the request is kept elsewhere.")
@click.option(
    "--received-at", type=_Moment(), help="When such a request was received; with --law it gives `due_at`."
)
def export(  # noqa: PLR0913, PLR0917 - options
    config: tuple[str, ...],
    somebody: Somebody,
    request: str | None,
    verified_at: datetime | None,
    warehouse: str | None,
    out: Path,
    law: str | None,
    received_at: datetime | None,
) -> None:
    """Write everything that is held of one person."""
    settings = RequestSettings.read(PROGRAM, config)
    asked = Asked(
        "export",
        ACCESS,
        somebody,
        request,
        verified_at,
        law,
        received_at,
        needs_proof=False,
        may_be_elsewhere=True,
    )
    check(out)
    log = _log(settings, request=request)
    with _opened(settings, warehouse) as database:
        person, answered = asked.answered(database, settings.schemas, log, _now())
        contents = gathered(person, Places(connected(settings), database, settings), answered, _now)
    tables = {name: len(rows) for name, rows in contents.categories.items() if rows}
    rows = sum(tables.values())
    _tell(log, Entry("exporting", "klaviyo+warehouse", rows, person.given, request=request))
    manifest = write(out, contents)
    entry = Entry("exported", "klaviyo", 0, person.given, request=request, action=request and "exported")
    entries = [
        entry._replace(
            source=name.partition("/")[0] if "/" in name else "klaviyo",
            what=name.rpartition("/")[2],
            number=number,
        )
        for name, number in sorted(tables.items())
    ]
    _tell(log, *(entries or [entry]))
    click.echo(f"{len(manifest['profiles'])} profiles, {rows:,} rows in {len(contents.categories)} tables: {out}")
    for category, reason in contents.omissions:
        if category in READ:
            to_stderr(f"{PROGRAM}: left out: {category}: {reason}")


@command.command()
@config_option
@_of_somebody
@_REQUEST
@_WAREHOUSE
@click.option("--accepted-at", type=_Moment(), help="When Klaviyo took the request for the deletion.")
@click.option("--unseen-at", type=_Moment(), help="When they were first not seen, as the last look said.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object instead of a line.")
def verify(  # noqa: PLR0913, PLR0917 - options
    config: tuple[str, ...],
    somebody: Somebody,
    request: str | None,
    warehouse: str | None,
    accepted_at: datetime | None,
    unseen_at: datetime | None,
    *,
    as_json: bool,
) -> None:
    """Look whether somebody who was deleted is gone, by every identifier; or whether a part of it is done.

    Of a request, when it was accepted and when they were first not seen is known from what was done about it. One
    whose `scope` asks for less is verified as soon as Klaviyo, and the warehouse, show that it is done.

    The exit status says what was seen: 0 verified, 3 unseen for less than 24 hours, 4 still there, 5 still there
    14 days after Klaviyo took the request. 1: it is not known.
    """
    settings = RequestSettings.read(PROGRAM, config)
    log = _log(settings, request=request)
    klaviyo = connected(settings)
    with _opened(settings, warehouse) as database:
        asked = Asked("verify", DELETION, somebody, request, needs_proof=False)
        person, answered = asked.answered(database, settings.schemas, log, _now())
        accepted, unseen = so_far(answered.actions)
        seen = looked_for(
            person,
            answered,
            klaviyo,
            database,
            settings.schemas,
            now=_now(),
            accepted_at=accepted_at or accepted,
            unseen_at=unseen_at or unseen,
        )
    told = seen.told()
    # Of a part, that it is not done yet changes nothing.
    is_told = request is not None and (PROFILE in answered.parts() or seen.state is State.VERIFIED)
    action = seen.state.replace(" ", "_") if is_told else None
    source = "klaviyo" if database is None else "klaviyo+warehouse"
    entry = Entry(f"looked for: {seen.state}", source, len(seen.seen), person.given)
    _tell(log, entry._replace(request=request, action=action))
    if as_json:
        click.echo(json.dumps(told))
    else:
        where = f": {', '.join(seen.seen)}" if seen.seen else f", since {told['unseen_at']}"
        click.echo(f"{seen.state}{where}")
    click.get_current_context().exit(STATUSES[seen.state])


@command.command()
@config_option
@_of_somebody
@_REQUEST
@_WAREHOUSE
@_LIST
@_BECAUSE
@click.option("--only-given", is_flag=True, help="Not also what Klaviyo knows the same profiles by.")
def forget(  # noqa: PLR0913, PLR0917 - options
    config: tuple[str, ...],
    somebody: Somebody,
    request: str | None,
    warehouse: str | None,
    name: str,
    because: str | None,
    *,
    only_given: bool,
) -> None:
    """Put somebody on a list, by every identifier that their profiles have: before they are deleted."""
    settings = RequestSettings.read(PROGRAM, config)
    kept = _list(settings, name)
    log = _log(settings, kept, request)
    person = _person(settings, "forget", name, somebody, request, warehouse, log)
    why = _why(because, request, person)
    if not only_given:
        person = person.knowing(
            each for profile in connected(settings).profiles(person).values() for each in identifiers_of(profile)
        )
    added = kept.add(person.identifiers)
    entry = Entry("listed", name, added, person.identifiers, why, request=request, action=request and name)
    _tell(log, entry)
    click.echo(f"{added} of {len(person.identifiers)} identifiers added to the list `{name}`")


@command.command()
@config_option
@_of_somebody
@_REQUEST
@_WAREHOUSE
@_LIST
@_BECAUSE
def unforget(  # noqa: PLR0913, PLR0917 - options
    config: tuple[str, ...],
    somebody: Somebody,
    request: str | None,
    warehouse: str | None,
    name: str,
    because: str | None,
) -> None:
    """Take somebody off a list: they consented anew after they were forgotten, or a restriction is lifted."""
    settings = RequestSettings.read(PROGRAM, config)
    kept = _list(settings, name)
    if request is not None and name != "restricted":
        message = "`--request` lifts a restriction, `--list restricted`; who consented anew has `--because`"
        raise ProgramError(message)
    log = _log(settings, kept, request)
    person = _person(settings, "unforget", name, somebody, request, warehouse, log)
    why = _why(because, request, person)
    removed = kept.remove(person.identifiers)
    entry = Entry(
        "taken off", name, removed, person.identifiers, why, request=request, action=request and "lifted"
    )
    _tell(log, entry)
    click.echo(f"{removed} of {len(person.identifiers)} identifiers taken off the list `{name}`")


def _person(  # noqa: PLR0913, PLR0917 - what a command is told
    settings: RequestSettings,
    called: str,
    name: str,
    somebody: Somebody,
    request: str | None,
    warehouse: str | None,
    log: ProcessingLog | None,
) -> Person:
    """Whom a change of a list is about."""
    with nullcontext() if request is None else _opened(settings, warehouse) as database:
        asked = Asked(called, _RIGHTS[name], somebody, request, needs_proof=False)
        return asked.answered(database, settings.schemas, log, _now())[0]


@command.command()
@config_option
@click.argument("action", type=click.Choice(NOTED))
@click.option("--request", metavar="ID", required=True, help="The request, a row of `privacy_requests`.")
@_WAREHOUSE
@click.option("--at", "acted_at", type=_Moment(), help="When it was done, if not now.")
@click.option("--because", help="What is to be kept of it.")
def note(  # noqa: PLR0913, PLR0917 - options
    config: tuple[str, ...],
    action: str,
    request: str,
    warehouse: str | None,
    acted_at: datetime | None,
    because: str | None,
) -> None:
    """Keep what was done about a request elsewhere: its state follows."""
    settings = RequestSettings.read(PROGRAM, config)
    log = _log(settings, request=request)
    if acted_at is not None and acted_at > _now():
        message = f"`--at {acted_at.isoformat()}` is still to come: what was done is kept when it was done"
        raise ProgramError(message)
    with _needed(settings, warehouse) as database:
        person = person_in(database, settings.schemas, request)
    why = _why(because, request, person)
    given = person.given if person else ()
    _tell(log, Entry("noted", "request", 1, given, why, action, request, action, acted_at))
    click.echo(f"{action}: kept of the request {request!r}")


@command.command()
@config_option
@_of_somebody
@_REQUEST
@_VERIFIED
@_WAREHOUSE
@_BECAUSE
@click.option("--dry-run", is_flag=True, help="Say what would be erased, and undo it.")
@click.option(
    "--leave",
    multiple=True,
    metavar="SCHEMA.TABLE.COLUMN",
    help="A column of texts in which an identifier may be left.",
)
@click.option("--still-at-klaviyo", is_flag=True, help="Do not ask whether Klaviyo still has them.")
def erase(  # noqa: PLR0913, PLR0917 - options
    config: tuple[str, ...],
    somebody: Somebody,
    request: str | None,
    verified_at: datetime | None,
    warehouse: str | None,
    because: str | None,
    leave: tuple[str, ...],
    *,
    dry_run: bool,
    still_at_klaviyo: bool,
) -> None:
    """Erase somebody in every table of the warehouse, after they were put on the list and deleted at Klaviyo."""
    settings = RequestSettings.read(PROGRAM, config)
    kept = _list(settings, "forgotten")
    log = _log(settings, kept, request)
    asked = Asked("erase", DELETION, somebody, request, verified_at, may_be_elsewhere=True)
    with _needed(settings, warehouse, writable=True) as database:
        person, answered = asked.answered(database, settings.erased_schemas, log, _now())
        answered.see_asked_for(WAREHOUSE)
        why = _why(because, request, person)
        if kept.missing(person.given):
            message = "they are not on the list by every identifier that is given: `subject-requests forget` first"
            raise ProgramError(message)
        tables = database.tables(settings.erased_schemas)
        person = database.known(person, tables)
        if not still_at_klaviyo:
            klaviyo = connected(settings)
            if any(klaviyo.is_there(each, person) for each in person.identifiers):
                message = (
                    "Klaviyo still has a profile of them, which the next reading brings back: delete it first, "
                    "or say `--still-at-klaviyo`"
                )
                raise ProgramError(message)
        with database.transaction(keep=not dry_run):
            erasure = Erasure(database, person, kept.key, leave)
            erased = erasure.done(tables)
            paths = [*map(Path, settings.rejects_paths)]
            refused = {path: rejects.erase(path, person, erasure.without, keep=True) for path in paths}
            number = erased.number + sum(map(sum, refused.values()))
            entry = Entry("erasing", "warehouse+rejects", number, person.identifiers, why, request=request)
            if not dry_run:
                # Afterwards nobody knows what else they were known by; and what is done is told, whatever comes.
                kept.add(person.identifiers)
                _tell(log, entry)
                # Before it is kept: a run that is killed here finds them by all of that once more.
                for path in paths:
                    rejects.erase(path, person, erasure.without)
    if not dry_run:
        entry = entry._replace(did="erased", source="warehouse", action=request and "erased")
        of_places = [
            *((table, "warehouse", sum(fates.values())) for table, fates in sorted(erased.rows.items())),
            *((path.name, "rejects", sum(lines)) for path, lines in refused.items() if any(lines)),
        ]
        entries = [entry._replace(what=what, source=source, number=count) for what, source, count in of_places]
        _tell(log, *(entries or [entry._replace(number=0)]))
    _say_erased(erased, refused, dry_run=dry_run)


def _say_erased(erased: Erased, refused: Mapping[Path, tuple[int, int]], *, dry_run: bool) -> None:
    for table, fates in sorted(erased.rows.items()):
        click.echo(f"{table}: {', '.join(f'{number:,} {fate}' for fate, number in sorted(fates.items()))}")
    for path, (lines, of_others) in refused.items():
        if lines or of_others:
            told = [f"{lines:,} {Fate.DELETED}"] * bool(lines) + [f"{of_others:,} {Fate.OF_OTHERS}"] * bool(
                of_others
            )
            click.echo(f"{path.name}: {', '.join(told)}")
    for table, number in sorted(erased.mentions.items()):
        click.echo(f"{table}: {number:,} rows about others have a number of theirs, and are as they were")
    for column, number in sorted(erased.left.items()):
        click.echo(f"{column}: {number:,} rows have an identifier of them, and were to be left")
    number = erased.number + sum(map(sum, refused.values()))
    click.echo(f"{number:,} rows {'would be erased; nothing was' if dry_run else 'erased'}")
    if erased.number and not dry_run:
        click.echo("now have dbt make anew what rests on them: `make pipeline JOB=measure`")


@command.command("retention")
@config_option
@_WAREHOUSE
@click.option("--dry-run", is_flag=True, help="Say how many rows are too old, and delete none.")
def of_retention(config: tuple[str, ...], warehouse: str | None, *, dry_run: bool) -> None:
    """Delete what is older than the `retention` of `controller_path` says."""
    settings = RequestSettings.read(PROGRAM, config)
    said = _controller(settings).retention
    log = _log(settings)
    if log is None and not dry_run:
        message = "the setting `log_path` is needed: what is deleted is told there"
        raise ProgramError(message)
    with _needed(settings, warehouse, writable=not dry_run) as database:
        tables = database.tables(settings.schemas)
        old = retention.rules(said, Path(settings.controller_path), tables, _now())
        for each in old:
            number = retention.number_of(database, each)
            if number and not dry_run:
                entry = Entry("erasing", "warehouse", number, because=each.said, what=each.table.place)
                _tell(log, entry)
                with database.transaction():
                    retention.delete(database, each)
                _tell(log, entry._replace(did="erased"))
            verb = "would be deleted" if dry_run else "deleted"
            click.echo(f"{each.table.place}: {number:,} rows before {each.before:%Y-%m-%d} {verb}")
    if refused := retention.elsewhere(retention.REFUSED, said, _now()):
        before, why = refused
        for path in map(Path, settings.rejects_paths):
            number = rejects.forget(path, before, keep=True)
            if number and not dry_run:
                entry = Entry("erasing", "rejects", number, because=why, what=path.name)
                _tell(log, entry)
                rejects.forget(path, before)
                _tell(log, entry._replace(did="erased"))
            click.echo(f"{path.name}: {number:,} rows before {before:%Y-%m-%d} {'would be ' * dry_run}deleted")
    if received := retention.elsewhere(retention.DELIVERIES, said, _now()):
        click.echo(
            f"deliveries before {received[0]:%Y-%m-%d}: for `klaviyo-inbox prune`; `make retention` does both"
        )


@command.command("controller")
@config_option
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the file instead.")
def of_controller(config: tuple[str, ...], *, schema: bool) -> None:
    """Check the file of `controller_path`, and say what a record of processing still lacks."""
    if schema:
        click.echo(json.dumps(controller.json_schema(), indent=2))
        return
    for each in _controller(RequestSettings.read(PROGRAM, config)).untold() or ["nothing is missing"]:
        click.echo(each)


@command.command("record")
@config_option
@click.option(
    "--project",
    type=click.Path(path_type=Path),
    default=Path("meltano.yml"),
    show_default=True,
    help="The Meltano project whose schedules are told.",
)
def of_processing(config: tuple[str, ...], project: Path) -> None:
    """Print the record of processing: what the controller says, and what the pipeline does."""
    click.echo(written(_controller(RequestSettings.read(PROGRAM, config)), activities.read(project)), nl=False)


def _controller(settings: RequestSettings) -> controller.Controller:
    """The controller of the settings.

    Raises:
        ProgramError: there is none, or it cannot be read.
    """
    found = controller.read(Path(settings.controller_path))
    if found is None:
        message = (
            f"there is no file {settings.controller_path!r}: write one, or correct the setting `controller_path`"
        )
        raise ProgramError(message)
    return found


@command.group("log")
def of_log() -> None:
    """Look at the log of what was done."""


@of_log.command("verify")
@config_option
@click.option("--file", "path", type=click.Path(path_type=Path), help="Instead of the setting `log_path`.")
@click.option("--expect", metavar="HASH", help="A hash that an earlier look told: its line must still be there.")
def verify_log(config: tuple[str, ...], path: Path | None, expect: str | None) -> None:
    """See that no line was altered, taken out or put in; prints how many there are, and the hash of the last."""
    checked = _log_to_read(RequestSettings.read(PROGRAM, config), path).check(expect)
    click.echo(f"{checked.lines} {checked.last}")


@of_log.command("renew")
@config_option
@click.option("--because", required=True, help="What was found out; kept in the log.")
@click.option(
    "--after",
    type=_Line(),
    metavar="NUMBER:HASH",
    help="The last line that counts, as the warehouse has it; else the last that is whole by itself.",
)
def renew_log(config: tuple[str, ...], because: str, after: Place | None) -> None:
    """Put a log aside that is broken or gone, and begin one that goes on from a line of it."""
    log = _log_to_read(RequestSettings.read(PROGRAM, config), None)
    aside = log.renew(_why(because, None, None) or because, _now(), after)
    click.echo("begun anew" if aside is None else f"begun anew; what was there is {str(aside)!r}: keep it")


@of_log.command("show")
@config_option
@_of_somebody
@click.option("--file", "path", type=click.Path(path_type=Path), help="Instead of the setting `log_path`.")
@click.option("--source", help="Only what was done to this: `klaviyo`, `forgotten`, …")
def show_log(
    config: tuple[str, ...],
    somebody: Somebody,
    path: Path | None,
    source: str | None,
) -> None:
    """Print the lines, or those about one person, as JSON lines."""
    kept = _log_to_read(RequestSettings.read(PROGRAM, config), path)
    people = person_of(somebody).given if any(somebody.values()) else ()
    for entry in kept.entries(people, source):
        click.echo(json.dumps(entry, ensure_ascii=False))


@of_log.command("hashes")
@config_option
@_of_somebody
def hashes_of(config: tuple[str, ...], somebody: Somebody) -> None:
    """Print as what somebody stands in the log, and in `people` of the warehouse's `fct_processing_log`."""
    settings = RequestSettings.read(PROGRAM, config)
    if not settings.forgotten_key:
        message = "people stand in the log as hashes under `forgotten_key`: set it"
        raise ProgramError(message)
    for each in ProcessingLog(Path(), settings.forgotten_key).hashes(person_of(somebody).given):
        click.echo(each)


def _log(
    settings: RequestSettings, kept: PeopleFile | None = None, request: str | None = None
) -> ProcessingLog | None:
    """The log of the settings, to which a line can be added; else, for a list, one beside it.

    Raises:
        ProgramError: it is broken; or there is none, and what is done about a request would be told nowhere.
    """
    if request is not None and not settings.log_path:
        message = (
            "the setting `log_path` is needed: what is done about a request is told there, and its state follows"
        )
        raise ProgramError(message)
    beside = None if kept is None else kept.path.with_name(f"{kept.path.name}.log")
    path = Path(settings.log_path) if settings.log_path else beside
    if path is None:
        return None
    run = f"{PROGRAM} {click.get_current_context().info_name} {_now().isoformat(timespec='milliseconds')}"
    found = ProcessingLog(path, settings.forgotten_key, run)
    found.ready()
    return found


def _log_to_read(settings: RequestSettings, path: Path | None) -> ProcessingLog:
    if path is None and not settings.log_path:
        message = "say which log: `--file`, or the setting `log_path`"
        raise ProgramError(message)
    return ProcessingLog(path or Path(settings.log_path or ""), settings.forgotten_key)


def _tell(log: ProcessingLog | None, *entries: Entry) -> None:
    if log is not None:
        log.append(*entries, now=_now())


def _why(because: str | None, request: str | None, person: Person | None) -> str | None:
    """The reason that is kept.

    Raises:
        ProgramError: there is none, or it names somebody: the log is for ever.
    """
    if because is None:
        if request is None:
            message = "say what asks for it: `--because`, or `--request`"
            raise ProgramError(message)
        return f"request {request}"
    theirs: Collection[Identifier] = person.identifiers if person else ()
    if any(each.identifier in theirs or each.identifier.kind == "email" for each in mentioned_in({"": because})):
        message = (
            "`--because` names somebody, and the log, where it stays, names nobody: name the request or statement"
        )
        raise ProgramError(message)
    return because


def _opened(settings: RequestSettings, warehouse: str | None) -> Any:  # noqa: ANN401 - a context of one, or of none
    place = warehouse or settings.warehouse
    return opened(place, settings.raw_tables) if place else nullcontext()


def _needed(settings: RequestSettings, warehouse: str | None, *, writable: bool = False) -> Any:  # noqa: ANN401
    """The warehouse of a command that cannot do without.

    Raises:
        ProgramError: none is named.
    """
    if not (place := warehouse or settings.warehouse):
        message = "say which warehouse: `--warehouse`, or the setting `warehouse`"
        raise ProgramError(message)
    return opened(place, settings.raw_tables, writable=writable)


def _list(settings: RequestSettings, name: str) -> PeopleFile:
    """A list, by its name.

    Raises:
        ProgramError: the settings do not name them.
    """
    setting = _LISTS[name]
    path: str | None = getattr(settings, setting)
    if not path or not settings.forgotten_key:
        message = f"the settings `{setting}` and `forgotten_key` are needed: the file of the list and its key"
        raise ProgramError(message)
    if fault := key_fault("forgotten_key", settings.forgotten_key):
        raise ProgramError(fault)
    return PeopleFile(Path(path), setting, settings.forgotten_key)


def _now() -> datetime:
    return datetime.now(UTC)
