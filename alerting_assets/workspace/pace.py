"""When the next request may leave: the rate limit, the pauses that the workspace asks for, and the end. Shared by all threads.

A workspace that throttles (429) pauses every thread, not only the one that it told: for as long as `Retry-After` says, and for
at least a time that doubles from one throttled wave of requests to the next until a request goes through.
Points in time are those of time.monotonic().
"""

from __future__ import annotations

import random
import threading
import time

from pyrate_limiter import Duration, Rate, RateItem, StateBucket, TokenBucket

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 16.0
"""The longest pause, in seconds, where the workspace asks for none."""


class NoTurn(Exception):
    """A request may not leave. The text says why, as the end of a sentence."""


class Stopped(NoTurn):
    pass


class Pace:
    """Decides when the next request may leave. Thread-safe. burst: how many requests may leave at once after a time without any."""

    def __init__(self, *, requests_per_minute: int, burst: int) -> None:
        self._requests_per_minute = requests_per_minute
        # A token bucket has no log to trim, so it needs no thread that does.
        self._tokens = StateBucket([Rate(requests_per_minute, Duration.MINUTE, burst=burst)], TokenBucket())
        self._stop = threading.Event()
        self._turn = threading.Lock()
        """Held by the one that is next: whoever came first waits for a token, the others for the lock, so nobody is overtaken for long."""
        self._state = threading.Lock()
        self._paused_until = 0.0
        self._waves = 0
        """How many throttled waves there were since a request last went through."""
        self._wave_began = 0.0

    def wait(self, until: float) -> None:
        """Wait for the end of the present pause and for a token. Raises NoTurn when that would be later than `until`, and Stopped,
        at once, after `stop`."""
        if not self._turn.acquire(timeout=max(0.0, until - time.monotonic())):
            raise NoTurn(self._too_slow())
        try:
            self.sleep(0.0)
            while left := self.pause_left or self._until_token():
                if time.monotonic() + left > until:
                    paused = f"it asks for a pause of {left:.0f} s, longer than the deadline allows"
                    raise NoTurn(paused if self.pause_left else self._too_slow())
                self.sleep(left)
        finally:
            self._turn.release()

    def sleep(self, seconds: float) -> None:
        """Sleep for so many seconds. Raises Stopped at once when `stop` was called before, or is called meanwhile."""
        if self._stop.wait(seconds) if seconds > 0 else self._stop.is_set():
            raise Stopped("stopped")

    def throttled(self, sent_at: float, asked: float | None) -> None:
        """Note that the request that left at `sent_at` was answered with 429, or with a wish for a pause. asked: seconds to pause;
        None where the answer asks for none."""
        with self._state:
            now = time.monotonic()
            pause = asked or 0.0
            if (
                sent_at >= self._wave_began
            ):  # the others of a wave left before its first answer came: they say nothing new
                self._wave_began = now
                self._waves += 1
                doubled = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(self._waves - 1, 30))
                pause = max(pause, doubled * random.uniform(1.0, 1.5))
            # Other processes were told the same: they don't all come back at the same moment.
            self._paused_until = max(self._paused_until, now + pause + random.uniform(0.0, 0.1))

    def went_through(self, sent_at: float) -> None:
        """Note that the request that left at `sent_at` was not throttled."""
        if self._waves:
            with self._state:
                if sent_at >= self._wave_began:
                    self._waves = 0

    @property
    def pause_left(self) -> float:
        """How many seconds the present pause still lasts; 0 where there is none."""
        return max(0.0, self._paused_until - time.monotonic())

    def stop(self) -> None:
        """End the pace for good: whoever waits, or will wait, gets Stopped."""
        self._stop.set()

    def _until_token(self) -> float:
        """Takes a token and returns 0, or returns the seconds until there will be one."""
        item = RateItem("request", time.monotonic_ns() // 1_000_000)
        if self._tokens.put(item) is True:
            return 0.0
        milliseconds = self._tokens.waiting(item)
        assert isinstance(milliseconds, int)  # pyrate-limiter's buckets may be asynchronous; this one is not
        return max(1, milliseconds) / 1000

    def _too_slow(self) -> str:
        return (
            f"{self._requests_per_minute} requests a minute left it no turn before its deadline; "
            "raise ALERTING_REQUESTS_PER_MINUTE or lower ALERTING_MAX_CONCURRENCY"
        )
