"""Leases: which connection has which delivery, so that a dead worker's work can be handed on at once."""

from testwright_schemas._base import Record


class Lease(Record, frozen=True, kw_only=True):
    """A connection has taken deliveries, or has answered them. Said without storage: what is missed costs the ack wait.

    Attributes:
        connection: server and client id, as the server announces the end of the connection.
        ack: subject that answers to the delivery go to.
        held: whether it is held, or has been answered.
        others: the same subject of further deliveries of which the same is true.
    """

    connection: str
    ack: str
    held: bool = True
    others: tuple[str, ...] = ()
