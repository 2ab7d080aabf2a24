"""Serves the receiver with uvicorn on a socket that listens already."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from typing_extensions import override

from klaviyo_inbox.logs import to_stderr
from klaviyo_inbox.receiver import application
from klaviyo_inbox.store import open_store
from singer_program.errors import ProgramError
from singer_program.private import beside

if TYPE_CHECKING:
    from klaviyo_inbox.settings import InboxSettings

_SECONDS_TO_END = 20


class _Server(uvicorn.Server):
    """Says when it accepts."""

    def __init__(self, config: uvicorn.Config, url: str, ready_file: Path | None) -> None:
        super().__init__(config)
        self._url = url
        self._ready_file = ready_file

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._ready_file and not self.should_exit:
            # Written beside it first: who waits for the file finds it whole.
            unfinished = beside(self._ready_file)
            unfinished.write_text(json.dumps({"url": self._url}))
            unfinished.replace(self._ready_file)


def serve(settings: InboxSettings, listening: socket.socket, ready_file: Path | None) -> None:
    """Serve until a signal ends it; who is being answered then is answered.

    Raises:
        ProgramError: the store cannot be used, or the server did not start.
    """
    open_store(settings.store, settings.max_store_bytes).close()  # its faults are told before anything is logged
    to_stderr()
    host, port = listening.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    config = uvicorn.Config(
        application(settings),
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=_SECONDS_TO_END,
        backlog=2048,
    )
    server = _Server(config, url, ready_file)
    server.run(sockets=[listening])
    if not server.started:
        message = "the server did not start; the lines above say why"
        raise ProgramError(message)
