"""A Redis of a test's own, to be killed, emptied, filled up and started again."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

from redis import Redis
from redis.exceptions import RedisError

from redis_functions.server import embedded
from redis_functions.server.connection import connect
from tests.support import wait_until


class OwnRedis:
    """The embedded server in a folder of its own, with more options where a test needs them."""

    def __init__(self, *options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tw-own-"))
        self.url = embedded.url(self.folder)
        self._command = [*embedded.command(self.folder), *options]
        self._process: subprocess.Popen[bytes] | None = None
        self.client: Redis = connect(self.url)

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_until(self._answers, 20, "a Redis of its own")

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False

    def kill(self) -> None:
        """SIGKILL: nothing more is written, no client is notified."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> OwnRedis:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.client.close()
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
