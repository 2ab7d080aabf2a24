"""fsspec's SFTP, to a server whose key is in a file: by itself it takes whatever key it is shown."""

from __future__ import annotations

from contextlib import suppress

import paramiko
from fsspec.implementations.sftp import SFTPFileSystem  # type: ignore[import-untyped]
from typing_extensions import override


class KnownHostFileSystem(SFTPFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Files of a server.

    Args:
        host: Its name.
        known_hosts: The file with its key.
        ssh_kwargs: See `paramiko.SSHClient.connect`.
    """

    def __init__(self, host: str, *, known_hosts: str, **ssh_kwargs: object) -> None:
        self._known_hosts = known_hosts
        super().__init__(host, **ssh_kwargs)

    @override
    def _connect(self) -> None:
        self.client = paramiko.SSHClient()
        with suppress(FileNotFoundError):  # then no server is known
            self.client.load_host_keys(self._known_hosts)
        self.client.set_missing_host_key_policy(paramiko.RejectPolicy())
        try:
            self.client.connect(self.host, **self.ssh_kwargs)
        except BaseException:
            self.client.close()
            raise
        self.ftp = self.client.open_sftp()
