"""Two Redis servers, the second a replica of the first, behind an address that leads to whichever is the primary."""

from __future__ import annotations

from types import TracebackType

from redis import Redis

from tests.own_redis import OwnRedis
from tests.support import free_port, wait_until
from tests.tcp_proxy import TcpProxy


class RedisPair:
    """The address is a proxy, which stands for a name that is looked up; another carries the replication."""

    def __init__(self) -> None:
        self._ports = [free_port(), free_port()]
        self.servers = [OwnRedis("--port", str(port), "--bind", "127.0.0.1") for port in self._ports]
        for server in self.servers:
            server.start()
        self.proxy = TcpProxy(self._ports[0])
        self._links = [TcpProxy(port) for port in self._ports]
        self._primary = 0
        self._is_cut = False
        self._follow(1)

    @property
    def url(self) -> str:
        """The address."""
        return self.proxy.url

    @property
    def primary(self) -> Redis:
        """A client of the server that is the primary now."""
        return self.servers[self._primary].client

    def cut_replication(self) -> None:
        """From here on the replica gets nothing, and neither server notices."""
        self._links[self._primary].black_hole()
        self._is_cut = True

    def fail_over(self) -> None:
        """The replica becomes the primary and gets the address; the old primary runs on as its replica. Unless the replication
        is cut, nothing that was written before is lost."""
        if not self._is_cut:
            self.await_replica()
        self._promote()
        self._follow(1 - self._primary)

    def kill_primary(self) -> None:
        """SIGKILL; the replica becomes the primary and gets the address."""
        killed = self.servers[self._primary]
        killed.kill()
        self._promote()

    def await_replica(self) -> None:
        """Returns when the replica has all that the primary has by now."""
        replica = self.servers[1 - self._primary].client
        offset = self.primary.info("replication")["master_repl_offset"]

        def in_step() -> bool:
            found = replica.info("replication")
            return bool(found.get("master_link_status") == "up" and found["slave_repl_offset"] >= offset)

        wait_until(in_step, 30, "the replica to have all")

    def _promote(self) -> None:
        self._primary = 1 - self._primary
        self.primary.execute_command("REPLICAOF", "NO", "ONE")
        self.proxy.target = self._ports[self._primary]

    def _follow(self, who: int) -> None:
        """Server `who` becomes a replica of the other, by the proxy of the replication."""
        link = self._links[1 - who]
        self._is_cut = False
        self.servers[who].client.execute_command("REPLICAOF", "127.0.0.1", link.port)

    def __enter__(self) -> RedisPair:
        self.await_replica()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for proxy in (self.proxy, *self._links):
            proxy.__exit__(None, None, None)
        for server in self.servers:
            server.__exit__(None, None, None)
