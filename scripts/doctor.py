"""Looks at all that a job needs before anything runs: environment, versions, warehouse, modes, keys, scopes."""

from __future__ import annotations

import os
import re
import socket
import stat
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import duckdb
import preflight
import requests
from home import PRIVATE
from pipeline import command_line, one_line_errors
from project import (
    ROOT,
    TAP,
    TARGET,
    WAREHOUSE,
    JobFailed,
    definition_of,
    lacks_warehouse,
    origin,
    plugins_of,
    selected,
    setting,
    warehouse_of,
)

from klaviyo_wire.auth import DEFAULT_API_URL, ApiKey
from klaviyo_wire.client import Client, Transport
from klaviyo_wire.endpoints import DEFAULT_REVISION, ENDPOINTS, Endpoint
from klaviyo_wire.errors import KlaviyoError, MissingScope, Refused
from klaviyo_wire.ratelimit import Governor
from tap_klaviyo_engagement.streams import streams_for
from target_klaviyo_profiles.sinks import sinks_for

_PUBLISHED = "pub_klaviyo_"
_PIN = re.compile(r"^([\w.-]+)==([\w.]+)", re.MULTILINE)
_CONNECT_SECONDS = 5.0
_WHOSE = "get_accounts"  # both ask first whose their key is

Finding = tuple[bool, str]
"""Whether something is as it should be, and what there is to say of it."""


def examine(job: str, environment: str, home: Path, variables: Mapping[str, str]) -> Iterator[tuple[str, Finding]]:
    """Each thing that is looked at, and what was found; the first is whether the job can run at all."""
    try:
        preflight.check(job, environment, variables)
    except JobFailed as failure:
        yield "environment", (False, str(failure))
    else:
        yield "environment", (True, f"{environment}, whose home is {_shown(home)}; the job {job} fits")
    yield "versions", versions(plugins_of(job))
    yield "warehouse", warehouse(environment, home, variables)
    # Every job closes its home: one in which none has run holds nothing.
    yield "modes", modes([ROOT / ".env", *([home] if (home / WAREHOUSE).exists() else [])])
    needed = operations(plugins_of(job), environment, variables)
    for plugin, operation_keys in needed.items():
        name = "reading key" if plugin == TAP else "writing key"
        yield name, key(plugin, operation_keys, environment, variables)


def versions(plugins: Iterable[str]) -> Finding:
    """Whether what is installed is what constraints.txt says, and all plugins are."""
    pinned = dict(_PIN.findall((ROOT / "constraints.txt").read_text()))
    installed = {name: version(name) for name in ("meltano", "duckdb")}
    found = [f"Python {sys.version.split()[0]}", *(f"{name} {each}" for name, each in installed.items())]
    faults = [
        f"{name} {each} is not the {pinned[name]} of constraints.txt"
        for name, each in installed.items()
        if each != pinned[name]
    ]
    own = {origin(name) for name in plugins} - {"home"}
    faults += [
        f"{name} is not installed" for name in sorted(own) if not list(ROOT.glob(f".meltano/*/{name}/venv"))
    ]
    return (False, f"{'; '.join(faults)}: run `make setup`") if faults else (True, ", ".join(found))


def warehouse(environment: str, home: Path, variables: Mapping[str, str]) -> Finding:
    """Whether the warehouse can be reached; one of DuckDB is made by the first run."""
    kind = warehouse_of(environment, variables)
    if kind == "postgres":
        return _postgres(variables)
    if kind != "duckdb":
        return True, f"{kind}: not looked at"
    file = home / WAREHOUSE
    if lacks_warehouse(file):
        return True, f"there is no {_shown(file)} yet: the first run makes it"
    try:
        with duckdb.connect(str(file), read_only=True) as connection:
            [tables] = connection.execute("select count(*) from duckdb_tables()").fetchall()
    except duckdb.Error as error:
        return False, f"{_shown(file)} cannot be opened: {str(error).splitlines()[0]}"
    return True, f"{_shown(file)} opens, and has {tables[0]} tables"


def _postgres(variables: Mapping[str, str]) -> Finding:
    names = [f"KLAVIYO_LOOP_POSTGRES_{each}" for each in ("HOST", "PORT", "USER", "PASSWORD", "DATABASE")]
    if missing := [name for name in names if not variables.get(name)]:
        return False, f"PostgreSQL: set {', '.join(missing)}, in the shell or in .env"
    host, port = variables[names[0]], variables[names[1]]
    if host.startswith("/"):
        return True, f"PostgreSQL by the socket in {host}: not asked"
    try:
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        return False, f"PostgreSQL does not answer at {host}:{port} ({error}): see {names[0]} and {names[1]}"
    return True, f"PostgreSQL answers at {host}:{port}"


def modes(paths: Iterable[Path]) -> Finding:
    """Whether files that hold keys or people are their user's alone."""
    open_ones = [path for path in paths if path.exists() and stat.S_IMODE(path.stat().st_mode) & PRIVATE]
    if open_ones:
        return False, "; ".join(
            f"others may look into {_shown(path)}: chmod go= {_shown(path)}" for path in open_ones
        )
    return True, "keys and home are their user's alone"


def operations(plugins: Iterable[str], environment: str, variables: Mapping[str, str]) -> dict[str, list[str]]:
    """What the plugins of a job that need a key call at Klaviyo, by the plugin whose code runs."""
    found: dict[str, list[str]] = {}
    for plugin in plugins:
        revision = setting(plugin, "revision", environment, variables) or DEFAULT_REVISION
        if origin(plugin) == TAP:
            streams = [each for each in streams_for(revision) if each.name in selected(plugin)]
            called = [_WHOSE, *(name for each in streams for name in (each.parent, each.operation) if name)]
        elif origin(plugin) == TARGET:
            deletes = definition_of(plugin).get("config", {}).get("allow_deletions")
            folder = ROOT / "transform" / "models" / ("deletions" if deletes else "publish")
            models = folder.glob(f"{_PUBLISHED}*.sql")
            written = {path.stem.removeprefix(_PUBLISHED) for path in models}
            sinks = [each for each in sinks_for(revision) if each.stream in written]
            called = [_WHOSE, *(name for sink in sinks for name in sink.operations())]
        else:
            continue
        found[origin(plugin)] = list(dict.fromkeys([*found.get(origin(plugin), []), *called]))
    return found


def key(plugin: str, called: Iterable[str], environment: str, variables: Mapping[str, str]) -> Finding:
    """Whether the key of a plugin may call what the plugin calls, asked at Klaviyo.

    Nothing is read but a row of each listing, and nothing is written: what writes is called without data.
    Klaviyo looks at the key first, at its scopes next, and then only at the request.
    """
    secret = preflight.key_of(plugin, environment, variables)
    if not secret:
        return False, f"set {preflight.variable(plugin)}, in the shell or in .env"
    url = setting(plugin, "api_url", environment, variables) or DEFAULT_API_URL
    missing: list[MissingScope] = []
    asked = [ENDPOINTS[name] for name in called if ENDPOINTS[name].method != "DELETE"]
    try:
        with closing(requests.Session()) as session:
            client = Client(ApiKey(secret), Governor(time.monotonic), Transport(session, time.sleep), api_url=url)
            for endpoint in asked:
                try:
                    _call(client, endpoint)
                except MissingScope as error:
                    missing.append(error)
                except Refused:
                    pass  # of a request that says nothing: so the key may make it
    except KlaviyoError as error:
        return False, str(error)
    if missing:
        return False, "; ".join(map(str, missing))
    scopes = sorted({scope for endpoint in asked for scope in endpoint.scopes})
    return True, f"may do what needs {', '.join(scopes)}"


def _call(client: Client, endpoint: Endpoint) -> None:
    path = dict.fromkeys(re.findall(r"{(\w+)}", endpoint.path), "0")
    if endpoint.method == "GET":
        params = {"page[size]": "1"} if endpoint.page and endpoint.page.maximum else {}
        client.call(endpoint.key, path=path, params=params)
    else:
        client.call(endpoint.key, path=path, body={}, repeatable=False)


def _shown(path: Path) -> str:
    return os.path.relpath(path)


def main() -> None:
    """Command line: a job and an environment of meltano.yml; ends with 1 if anything is not as it should be."""
    job, environment, log = command_line(__doc__)
    sound = True
    with one_line_errors():
        for topic, (good, text) in examine(job, environment, log.parent, os.environ):
            print(f"{'ok' if good else 'FAULT':<6} {topic:<12} {text}", flush=True)
            sound = sound and good
    sys.exit(not sound)


if __name__ == "__main__":
    main()
