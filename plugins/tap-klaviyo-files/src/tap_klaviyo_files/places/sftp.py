"""SFTP, to servers whose key is known."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

from singer_program.errors import ProgramError
from tap_klaviyo_files.places.place import Place, Windows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_REQUEST = 32 << 10
"""Bytes of a request: more than that servers need not answer."""
_WINDOW = 64 * _REQUEST
"""Bytes that are asked for at once."""
_TIMEOUT = 60
PORT = 22


def sftp_place(path: str, config: Mapping[str, Any]) -> tuple[Place, str]:
    """The server of `sftp://user@host/path`.

    Raises:
        ProgramError: the library is not installed, the server is not who it should be, or does not let us in.
    """
    try:
        import paramiko  # noqa: PLC0415 - an extra

        from tap_klaviyo_files.places.known_host import KnownHostFileSystem  # noqa: PLC0415
    except ModuleNotFoundError:
        message = "for paths that begin with `sftp://`, install `tap-klaviyo-files[sftp]`"
        raise ProgramError(message) from None
    server, _, where = path.partition("://")[2].partition("/")  # a pattern may hold `?` and `#`
    split = urlsplit(f"//{server}")
    host, port = split.hostname or "", split.port or PORT
    told = f"the server {host}:{port} of the setting `files`"
    password, key = config.get("sftp_password"), config.get("sftp_private_key_path")
    options = {
        "username": unquote(split.username) if split.username else None,
        "password": password,
        "key_filename": str(Path(key).expanduser()) if key else None,
        "passphrase": config.get("sftp_private_key_passphrase"),
        "allow_agent": not (password or key),
        "look_for_keys": not (password or key),
    }
    known_hosts = Path(config.get("sftp_known_hosts_path") or "~/.ssh/known_hosts").expanduser()
    try:
        system = KnownHostFileSystem(
            host,
            port=port,
            known_hosts=str(known_hosts),
            timeout=_TIMEOUT,
            skip_instance_cache=True,
            **{name: value for name, value in options.items() if value is not None},
        )
    except paramiko.BadHostKeyException:
        message = (
            f"{told} has another key than {str(known_hosts)!r} says: ask its owner which is right before going on"
        )
        raise ProgramError(message) from None
    except (paramiko.AuthenticationException, paramiko.PasswordRequiredException):
        message = (
            f"{told} does not let {split.username or 'this user'} in: look at the user in the path, and at "
            "`sftp_private_key_path` with its passphrase, or `sftp_password`"
        )
        raise ProgramError(message) from None
    except paramiko.SSHException as error:
        unknown = "not found in known_hosts" in str(error)
        remedy = (
            f"its key is not in {str(known_hosts)!r}: add what `ssh-keyscan -p {port} {host}` prints, once you "
            "have compared it with what its owner says, or name the file by `sftp_known_hosts_path`"
            if unknown
            else f"{error}"
        )
        message = f"{told} cannot be spoken to: {remedy}"
        raise ProgramError(message) from None
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        message = f"{told} cannot be reached, or a file of its settings not be read: {reason}"
        raise ProgramError(message) from None

    def opened(file_path: str) -> IO[bytes]:
        file = system.ftp.open(file_path, "rb")
        return cast("IO[bytes]", Windows(_parts(file), file.close))

    shown = host if port == PORT else f"{host}:{port}"
    return Place(system, f"sftp://{shown}", opened, close=system.client.close), f"/{where}"


def _parts(file: Any) -> Iterator[bytes]:  # noqa: ANN401 - paramiko's types are no dependency
    """Many requests under way at once: one by one, each would wait for the way there and back."""
    size = int(file.stat().st_size)
    for start in range(0, size, _WINDOW):
        end = min(start + _WINDOW, size)
        yield from file.readv([(at, min(_REQUEST, end - at)) for at in range(start, end, _REQUEST)])
