"""Messages that we send ourselves, without the workspace: an outbox in a file of its own, emptied for some seconds whenever whoever has it
comes by. What did not arrive then is tried again the next time, for a day."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from alerting_assets.delivery.courier import Clock, Courier, Limits, Log
from alerting_assets.delivery.destination import Destination
from alerting_assets.delivery.event import Event
from alerting_assets.delivery.http import Http
from alerting_assets.delivery.mail_server import FindMailServer, SenderOfNow
from alerting_assets.delivery.outbox import Outbox
from alerting_assets.delivery.record import DeliveryRecord, Outcome


@dataclass(frozen=True)
class OwnDelivery:
    """path: of the outbox's file. destinations: looked up at each attempt, with their secrets; whatever AlertingError they raise but
    DestinationUnknown, the message waits. mail_server: asked at each mail; without one mails wait. log: as that of a `Courier`."""

    path: Path
    destinations: Callable[[str], Destination]
    mail_server: FindMailServer = lambda: None
    allowed_hosts: frozenset[str] = frozenset()
    log: Log | None = None
    limits: Limits | None = None
    clock: Clock = field(default=lambda: datetime.now(UTC))

    @contextmanager
    def opened(self) -> Iterator[Post]:
        """Raises OutboxUnavailable."""
        with Outbox(self.path, clock=self.clock) as outbox:
            yield Post(self, outbox)


@dataclass(frozen=True)
class Worked:
    """What came of some seconds of work. waiting: how many messages have not arrived yet. lost: those that never will."""

    sent: int
    waiting: int
    lost: tuple[DeliveryRecord, ...] = ()


class Post:
    def __init__(self, how: OwnDelivery, outbox: Outbox) -> None:
        self._how, self.outbox = how, outbox

    def put(self, events: Iterable[tuple[Event, Iterable[str]]]) -> None:
        """Have each event sent to its destinations, once, whoever puts it again."""
        self.outbox.put_all(events)

    def work(self, seconds: float) -> Worked:
        """Send what is due, until nothing is or for so many seconds."""
        how = self._how
        over: list[DeliveryRecord] = []
        courier = Courier(
            self.outbox,
            SenderOfNow(Http(allowed_hosts=how.allowed_hosts), how.mail_server, waits=True),
            how.destinations,
            log=how.log,
            on_outcome=over.append,
            clock=how.clock,
            limits=how.limits,
        )
        courier.run_what_is_due(seconds)
        sent = sum(one.outcome is Outcome.SENT for one in over)
        lost = tuple(one for one in over if one.outcome is not Outcome.SENT)
        return Worked(sent, self.outbox.number_waiting(), lost)
