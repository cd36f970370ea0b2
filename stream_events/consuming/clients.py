"""The two Redis clients of one consumer."""

from __future__ import annotations

from typing import NamedTuple

import redis


class Clients(NamedTuple):
    """``reader`` waits, on connections that the server knows by the consumer's name; ``command`` does the rest."""

    reader: redis.Redis
    command: redis.Redis

    def wake(self, name: str) -> None:
        """End the reads that wait on connections called ``name``; the server then answers them with nothing."""
        for connection in self.command.client_list(_type="normal"):
            if connection["name"] == name:
                self.command.client_unblock(int(connection["id"]))

    def last_id(self, key: str) -> str:
        """The id of the newest entry that the stream ``key`` ever had; a key that is not there is an error."""
        info = self.command.xinfo_stream(key)
        return str(info["last-generated-id"].decode())

    def close(self) -> None:
        """Close the connections that nobody is using; they are made again when they are needed."""
        for client in self:
            client.connection_pool.disconnect(inuse_connections=False)
