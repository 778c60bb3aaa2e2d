"""Who empties an outbox: attempts what is due, many at a time, and tells what came of it.

Each destination has a lane of its own. A lane that just failed gets one attempt at a time, and pauses in between; one that is slow
gets a few. Together, and with those where nothing ever arrived, they never hold more than half of the places: so no receiver that is
slow or away delays what goes to another.

No texts of other people's exceptions are told: they may hold secrets.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from alerting_assets.delivery.destination import Destination
from alerting_assets.delivery.grouping import GROUP_WAIT
from alerting_assets.delivery.outbox import Outbox
from alerting_assets.delivery.record import Attempt, Claim, DeliveryRecord, Lane, Outcome
from alerting_assets.delivery.sender import Sender
from alerting_assets.errors import AlertingError, DeliveryDelayed, DeliveryError, DeliveryRefused, OutboxUnavailable

_log = logging.getLogger(__name__)

_SLOW_SECONDS = 2.0
_SLOW_LANE = 4
_TROUBLE_SECONDS = 5.0
_LOGGED_AT_A_TIME = 500
_PRUNED_EVERY = timedelta(hours=1)

Clock = Callable[[], datetime]
Log = Callable[[Sequence[DeliveryRecord]], None]


@dataclass(frozen=True)
class Limits:
    """max_concurrency: attempts at a time. kept_free: so many of these places one destination never takes.
    first_pause, longest_pause: seconds between two attempts, doubled each time. give_up_after: how long a message is tried.
    lease: how long after the death of a process another one takes over what it was about.
    log_pause: how long after a failure the log is left alone. poll: seconds between two looks for what has become due.
    group_wait: how long whoever makes the outbox has events wait for others of their group."""

    max_concurrency: int = 16
    kept_free: int = 4
    first_pause: float = 1.0
    longest_pause: float = 900.0
    give_up_after: timedelta = timedelta(hours=24)
    lease: timedelta = timedelta(seconds=60)
    log_pause: timedelta = timedelta(seconds=30)
    poll: float = 0.5
    group_wait: timedelta = GROUP_WAIT


@dataclass(frozen=True)
class _Trust:
    """How many attempts at a time a lane gets, and whether they count among those that hold half of the places at the most."""

    at_a_time: int
    is_doubtful: bool


class Courier:
    """destinations: looked up at each attempt, with its secrets; raises DestinationUnknown where there is none (the message has
    failed), any other AlertingError where it cannot be told now (it is tried again).
    log: gets the deliveries that are over, and gets them again when it raised, or when the process died before it returned: it must
    take each delivery_id once. Called by one thread at a time, never by one that sends.
    on_outcome: told of each delivery when it is over."""

    def __init__(
        self,
        outbox: Outbox,
        sender: Sender,
        destinations: Callable[[str], Destination],
        *,
        log: Log | None = None,
        on_outcome: Callable[[DeliveryRecord], None] | None = None,
        clock: Clock = lambda: datetime.now(UTC),
        limits: Limits | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._outbox, self._sender, self._destinations = outbox, sender, destinations
        self._write_log: Log = log or (lambda _: None)
        self._on_outcome = on_outcome
        self._clock, self._limits, self._jitter = clock, limits or Limits(), jitter
        self._holder = uuid.uuid4().hex
        self._trust: dict[str, _Trust] = {}
        self._turns: Counter[str] = Counter()
        self._awake = threading.Event()
        self._at_work = threading.Lock()
        self._log_again_at: datetime | None = None
        self._prune_at: datetime | None = None

    def run_once(self, now: datetime) -> list[DeliveryRecord]:
        """Attempt all that is due at this moment, and return what is over by it."""
        with self._working(lambda: now) as work:
            while work.turn():
                work.wait()
        return work.over

    def run_until_idle(self, patience: float) -> bool:
        """Attempt until nothing is waiting, or for so many seconds; whether nothing is."""
        deadline = time.monotonic() + patience
        with self._working(self._clock) as work:
            while work.turn() or self._outbox.number_waiting():
                if time.monotonic() > deadline:
                    break
                work.wait()
        return not self._outbox.number_waiting()

    def run_what_is_due(self, patience: float) -> None:
        """Attempt until nothing is due, or for so many seconds; what is under way then is ended. What is to be tried later is left."""
        deadline = time.monotonic() + patience
        with self._working(self._clock) as work:
            while work.turn() or self._outbox.lanes_due(self._clock()):
                if time.monotonic() > deadline:
                    break
                work.wait()

    def run(self, stop: threading.Event) -> None:
        """Attempt whatever becomes due, until `stop` is set; it is looked at twice a second. What is under way then is ended."""
        with self._working(self._clock) as work:
            while not stop.is_set():
                try:
                    work.turn()
                except OutboxUnavailable as error:
                    _log.error("%s", error)
                    stop.wait(_TROUBLE_SECONDS)
                work.wait()

    def wake(self) -> None:
        """Look at once: something was put into the outbox, or the courier is to stop."""
        self._awake.set()

    @contextlib.contextmanager
    def _working(self, clock: Clock) -> Iterator[_Work]:
        if not self._at_work.acquire(blocking=False):
            raise DeliveryError("this courier is at work already")
        try:
            with (
                ThreadPoolExecutor(self._limits.max_concurrency, "delivery") as senders,
                ThreadPoolExecutor(1, "delivery-log") as logger,
            ):
                work = _Work(self, clock, senders, logger)
                try:
                    yield work
                finally:
                    work.finish()
        finally:
            self._at_work.release()

    def _next_lane(self, due: Mapping[str, Lane], taken: Sequence[Claim], in_flight: Mapping[str, Claim]) -> str | None:
        """Of the lanes that have room the one with the least under way, and of these the one that waited longest."""
        places = self._limits.max_concurrency
        if len(in_flight) + len(taken) >= places:
            return None
        used = Counter(claim.destination_id for claim in (*in_flight.values(), *taken))
        trust = {name: self._trust_in(name, lane) for name, lane in due.items()}
        known = {**self._trust, **trust}
        doubtful = sum(count for name, count in used.items() if known[name].is_doubtful)
        room_for_doubt = doubtful < max(1, places // 2)
        free = [
            name
            for name, given in trust.items()
            if used[name] < given.at_a_time and (room_for_doubt or not given.is_doubtful)
        ]
        if not free:
            return None
        chosen = min(free, key=lambda name: (used[name], self._turns[name]))
        self._turns[chosen] = max(self._turns.values(), default=0) + 1
        return chosen

    def _trust_in(self, name: str, lane: Lane) -> _Trust:
        """By what this courier has seen of it; at first, and where another one saw it fail, by what the outbox knows."""
        if lane.failures:
            self._trust[name] = _Trust(1, True)
        return self._trust.setdefault(name, _Trust(1, not lane.proven))

    @property
    def _full_lane(self) -> int:
        return max(1, self._limits.max_concurrency - self._limits.kept_free)

    def _pause(self, failures: int) -> float:
        longest = min(self._limits.longest_pause, self._limits.first_pause * 2.0 ** min(failures - 1, 60))
        return longest * (0.5 + 0.5 * self._jitter())

    def _attempt(self, claim: Claim, clock: Clock) -> Attempt:
        """One attempt, in a thread of its own. Raises nothing."""
        destination: Destination | None = None
        attempt = Attempt(claim, claim.claimed_at, None, "", self._pause(claim.attempt), delivered=claim.delivered)
        started = time.monotonic()
        try:
            destination = self._destinations(claim.destination_id)
            rendered = self._sender.render(claim.event, destination, claim.delivery_id, claim.delivered)
            attempt = replace(attempt, shown=rendered.shown)
            answer = self._sender.send(rendered, destination, claim.delivery_id, clock(), claim.delivered)
            attempt = replace(attempt, outcome=Outcome.SENT, response=answer)
            fast = time.monotonic() - started < _SLOW_SECONDS
            trust = _Trust(self._full_lane, False) if fast else _Trust(min(_SLOW_LANE, self._full_lane), True)
            self._trust[claim.destination_id] = trust
        except DeliveryRefused as error:
            attempt = replace(attempt, outcome=Outcome.FAILED, response=str(error))
        except DeliveryDelayed as error:
            attempt = replace(attempt, response=str(error), retry_after=error.retry_after)
            attempt = replace(attempt, delivered=tuple(error.delivered) or claim.delivered)
        except AlertingError as error:
            attempt = replace(attempt, response=str(error))
        except Exception as error:  # noqa: BLE001 — told as a failure: it costs this message only, and its text may hold secrets
            attempt = replace(attempt, response=f"a fault of ours ({type(error).__name__} at {_place(error)})")
        if attempt.outcome is None:
            self._trust[claim.destination_id] = _Trust(1, True)
        response = destination.scrub(attempt.response) if destination else attempt.response
        return replace(attempt, ended_at=clock(), response=response)

    def _told(self, record: DeliveryRecord) -> None:
        if record.outcome is not Outcome.SENT:
            _log.error(
                "delivery %s of %s to destination %s is %s after %s attempts: %s",
                record.delivery_id,
                record.event_id,
                record.destination_id,
                record.outcome,
                record.attempts,
                record.response,
            )
        if self._on_outcome is not None:
            try:
                self._on_outcome(record)
            except Exception:  # noqa: BLE001 — what became of the message does not depend on it
                _log.exception("delivery %s: whoever is told of its outcome failed", record.delivery_id)


class _Work:
    """One stretch of work of a courier: what is under way, and what has come of it. Used by one thread."""

    def __init__(self, courier: Courier, clock: Clock, senders: ThreadPoolExecutor, logger: ThreadPoolExecutor) -> None:
        self._courier, self._clock, self._senders, self._logger = courier, clock, senders, logger
        self._in_flight: dict[str, Claim] = {}
        self._ended: queue.SimpleQueue[Attempt] = queue.SimpleQueue()
        self._to_settle: list[Attempt] = []
        self._logging: Future[bool] | None = None
        self._renewed = time.monotonic()
        self.over: list[DeliveryRecord] = []

    def turn(self) -> bool:
        """Store what has ended, begin what is due; whether anything is under way then."""
        self._settle()
        self._claim()
        self._renew()
        self._log_what_is_over()
        self._prune()
        return bool(self._in_flight)

    def wait(self) -> None:
        """Until an attempt ends, or a while has passed."""
        awake = self._courier._awake
        awake.wait(self._courier._limits.poll)
        awake.clear()

    def finish(self) -> None:
        """End what is under way, store it and log it."""
        while self._in_flight:
            self._settle()
            self._renew()
            if self._in_flight:
                self.wait()
        self._settle()
        if self._logging is not None:
            self._logging.result()
        while self._courier._outbox.has_unlogged(self._clock()) and self._write_some():
            pass

    def _settle(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._to_settle.append(self._ended.get_nowait())
        for attempt in self._to_settle:
            self._in_flight.pop(attempt.claim.delivery_id, None)
        if not self._to_settle:
            return
        courier = self._courier
        over = courier._outbox.settle(self._to_settle, courier._holder, courier._limits.give_up_after, courier._pause)
        for attempt in self._to_settle:
            if attempt.outcome is None:
                _log.info(
                    "delivery %s, attempt %s: %s", attempt.claim.delivery_id, attempt.claim.attempt, attempt.response
                )
        self._to_settle.clear()
        for record in over:
            courier._told(record)
        self.over += over

    def _claim(self) -> None:
        courier, now = self._courier, self._clock()
        if len(self._in_flight) >= courier._limits.max_concurrency or not courier._outbox.lanes_due(now):
            return
        claims = courier._outbox.claim(
            now,
            courier._holder,
            courier._limits.lease,
            lambda due, taken: courier._next_lane(due, taken, self._in_flight),
        )
        for claim in claims:
            self._in_flight[claim.delivery_id] = claim
            self._senders.submit(self._attempt, claim)

    def _attempt(self, claim: Claim) -> None:
        self._ended.put(self._courier._attempt(claim, self._clock))
        self._courier._awake.set()

    def _renew(self) -> None:
        lease = self._courier._limits.lease
        if self._in_flight and time.monotonic() - self._renewed > lease.total_seconds() / 3:
            self._courier._outbox.renew(self._clock(), self._courier._holder, lease, list(self._in_flight))
            self._renewed = time.monotonic()

    def _log_what_is_over(self) -> None:
        again = self._courier._log_again_at
        if (self._logging is None or self._logging.done()) and (again is None or again <= self._clock()):
            if self._logging is not None:
                self._logging.result()
                self._logging = None
            if self._courier._outbox.has_unlogged(self._clock()):
                self._logging = self._logger.submit(self._write_some)

    def _write_some(self) -> bool:
        """Log some of what is over; whether that went well."""
        courier = self._courier
        records = courier._outbox.take_unlogged(self._clock(), courier._limits.lease, _LOGGED_AT_A_TIME)
        if not records:
            return False
        try:
            courier._write_log(records)
        except Exception as error:  # noqa: BLE001 — it is logged later: that costs no message
            courier._outbox.not_logged(records)
            courier._log_again_at = self._clock() + courier._limits.log_pause
            told = error if isinstance(error, AlertingError) else type(error).__name__
            _log.warning("%s deliveries could not be logged and will be later: %s", len(records), told)
            return False
        courier._outbox.logged(records)
        return True

    def _prune(self) -> None:
        now = self._clock()
        if self._courier._prune_at is None or self._courier._prune_at <= now:
            self._courier._prune_at = now + _PRUNED_EVERY
            self._courier._outbox.prune(now)


def _place(error: BaseException) -> str:
    """Where an error was raised: its file and line."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else "?"
