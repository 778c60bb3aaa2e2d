"""Which failures are told, to whom, and when again: a pure function of what is remembered and what was seen.

remembered         seen                        told
─────────────────  ──────────────────────────  ─────────────────────────────────────────────
nothing, or well   failed                      FAILED
failing            failed, the same reason     nothing
failing            failed, another reason      CHANGED (or the same one, and worse)
failing            passed                      WELL_AGAIN, to those who know that it failed
failing            it is no longer there       GONE, to them
failing            nothing, for `reminder`     STILL_FAILING
well since t       failed before t             FAILED, with the moment since which it is well again
failing since t    failed or passed before t   nothing
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from alerting_assets.delivery import Severity
from alerting_assets.failures.failure import Batch, Observation, Subject

FORGOTTEN_AFTER = timedelta(days=7)
"""How long it is remembered since when something is well, for a run that ended later and saw it fail before; and what is not repeated."""


_WORST_FIRST = tuple(Severity)


class News(StrEnum):
    FAILED = "FAILED"
    CHANGED = "CHANGED"
    STILL_FAILING = "STILL_FAILING"
    WELL_AGAIN = "WELL_AGAIN"
    GONE = "GONE"

    @property
    def is_good(self) -> bool:
        return self in (News.WELL_AGAIN, News.GONE)


@dataclass(frozen=True)
class Failing:
    """A failure that is not over. since: when it was first seen. told_at: when it was last told, or would have been; destinations: whom
    it was told. conversation, source, url: of the run or tick that saw it last."""

    subject: Subject
    severity: Severity
    reason: str
    details: tuple[str, ...]
    fingerprint: str
    since: datetime
    told_at: datetime
    destinations: tuple[str, ...]
    conversation: str
    source: str
    url: str | None = None


@dataclass(frozen=True)
class Standing:
    """What is known of a subject: when it was last seen, and how it fails if it does."""

    at: datetime
    failing: Failing | None = None


Memory = Mapping[str, Standing]
"""By the key of a subject."""


@dataclass(frozen=True)
class Policy:
    """route: whom a failure is told; nobody: it is remembered all the same. recoveries: whether it is told that something is well again."""

    route: Callable[[Failing], tuple[str, ...]]
    reminder: timedelta = timedelta(hours=24)
    recoveries: bool = True


@dataclass(frozen=True)
class Told:
    """One thing told of a failure. well_since: where it was over before it was seen."""

    news: News
    failing: Failing
    at: datetime
    well_since: datetime | None = None


@dataclass(frozen=True)
class Message:
    """What the same people are told at once. is_good: it is about things that are over. source, conversation: as those of a batch."""

    is_good: bool
    told: tuple[Told, ...]
    destinations: tuple[str, ...]
    source: str
    conversation: str
    title: str
    at: datetime
    url: str | None = None


def decide(
    memory: Memory, batches: Sequence[Batch], now: datetime, policy: Policy, *, gone: Collection[str] = ()
) -> tuple[list[Message], dict[str, Standing]]:
    """The messages, and what is to be remembered from now on. batches: in the order in which they ended. gone: keys of subjects that are
    not there any more."""
    standings = dict(memory)
    messages: list[Message] = []
    for batch in batches:
        for part in _rounds(batch):
            messages += _grouped(_seen(part, standings, now, policy), part)
    leaving = [_close(standings, key, now, News.GONE) for key in sorted(gone)]
    messages += _apart([told for told in leaving if told is not None and policy.recoveries], "gone", now)
    messages += _apart(_reminded(standings, now, policy), "reminder", now)
    return messages, {key: one for key, one in standings.items() if _is_kept(one, now)}


def _is_kept(one: Standing, now: datetime) -> bool:
    return (one.failing is not None and one.failing.subject.is_repeated) or now - one.at < FORGOTTEN_AFTER


def _rounds(batch: Batch) -> Iterator[Batch]:
    """The batch in parts, in each of which a subject is seen once: what failed and passed in turn is told in turn."""
    part: dict[str, Observation] = {}
    for one in sorted(batch.observations, key=lambda one: (one.is_summary, one.at)):
        if one.subject.key in part:
            yield replace(batch, observations=tuple(part.values()))
            part = {}
        part[one.subject.key] = one
    yield replace(batch, observations=tuple(part.values()))


def _seen(batch: Batch, standings: dict[str, Standing], now: datetime, policy: Policy) -> list[Told]:
    found: list[Told] = []
    for one in batch.observations:
        if one.failed is None or (one.is_summary and one.failed and _fails_in_parts(one, standings)):
            continue
        before = standings.get(one.subject.key)
        if one.failed:
            found += _failed(one, before, batch, standings, now, policy)
        elif before is None or one.at >= before.at:
            told = _close(standings, one.subject.key, one.at, News.GONE if one.is_over else News.WELL_AGAIN)
            standings[one.subject.key] = Standing(one.at)
            found += [told] if told is not None and policy.recoveries else []
    return found


def _failed(
    one: Observation,
    before: Standing | None,
    batch: Batch,
    standings: dict[str, Standing],
    now: datetime,
    policy: Policy,
) -> Iterable[Told]:
    old = before.failing if before else None
    failing = Failing(
        one.subject, one.severity, one.reason, one.details, one.fingerprint, one.at, now, (), batch.conversation,
        batch.source, batch.url,
    )  # fmt: skip
    failing = replace(failing, destinations=policy.route(failing))
    if before is not None and one.at < before.at:
        return [] if old else [Told(News.FAILED, failing, one.at, well_since=before.at)]
    if old is None:
        standings[one.subject.key] = Standing(one.at, failing)
        return [Told(News.FAILED, failing, one.at)]
    is_known = old.fingerprint == failing.fingerprint and _WORST_FIRST.index(one.severity) >= _WORST_FIRST.index(
        old.severity
    )
    failing = replace(
        failing,
        since=old.since,
        told_at=old.told_at if is_known else now,
        conversation=old.conversation if is_known else batch.conversation,
        destinations=old.destinations if is_known else tuple(dict.fromkeys((*old.destinations, *failing.destinations))),
    )
    standings[one.subject.key] = Standing(one.at, failing)
    return [] if is_known else [Told(News.CHANGED, failing, one.at)]


def _fails_in_parts(one: Observation, standings: Mapping[str, Standing]) -> bool:
    subject = one.subject
    return any(
        standing.failing is not None
        and standing.failing.subject.partition is not None
        and (standing.failing.subject.asset, standing.failing.subject.check) == (subject.asset, subject.check)
        for standing in standings.values()
    )


def _close(standings: dict[str, Standing], key: str, at: datetime, news: News) -> Told | None:
    standing = standings.get(key)
    if standing is None or standing.failing is None:
        return None
    standings[key] = Standing(at)
    return Told(news, standing.failing, at)


def _reminded(standings: dict[str, Standing], now: datetime, policy: Policy) -> list[Told]:
    found = []
    for key, standing in sorted(standings.items()):
        failing = standing.failing
        if failing is None or not failing.subject.is_repeated or now - failing.told_at < policy.reminder:
            continue
        destinations = tuple(dict.fromkeys((*failing.destinations, *policy.route(failing))))
        failing = replace(failing, told_at=now, destinations=destinations)
        standings[key] = replace(standing, failing=failing)
        found.append(Told(News.STILL_FAILING, failing, now))
    return found


def _grouped(told: Sequence[Told], batch: Batch) -> list[Message]:
    """One message to each, with all that it is about; good news apart, in the conversation that the bad news began."""
    bad = [one for one in told if not one.news.is_good]
    good = [one for one in told if one.news.is_good]
    at = max((one.at for one in told), default=None)
    found = []
    for items, destinations in _by_destination(bad):
        assert at is not None
        found.append(
            Message(False, items, destinations, batch.source, items[0].failing.conversation, batch.title, at, batch.url)
        )
    for conversation in dict.fromkeys(one.failing.conversation for one in good):
        for items, destinations in _by_destination([one for one in good if one.failing.conversation == conversation]):
            assert at is not None
            found.append(Message(True, items, destinations, batch.source, conversation, batch.title, at, batch.url))
    return found


def _apart(told: Sequence[Told], source: str, now: datetime) -> list[Message]:
    """Messages about what no run or tick has told: one a conversation."""
    found = []
    for conversation in dict.fromkeys(one.failing.conversation for one in told):
        for items, destinations in _by_destination([one for one in told if one.failing.conversation == conversation]):
            is_good = items[0].news.is_good
            found.append(Message(is_good, items, destinations, source, conversation, "", now, items[0].failing.url))
    return found


def _by_destination(told: Sequence[Told]) -> list[tuple[tuple[Told, ...], tuple[str, ...]]]:
    """What each destination is told; those that are told the same, together."""
    for_each: dict[str, list[int]] = {}
    for number, one in enumerate(told):
        for destination in one.failing.destinations:
            for_each.setdefault(destination, []).append(number)
    together: dict[tuple[int, ...], list[str]] = {}
    for destination, numbers in for_each.items():
        together.setdefault(tuple(numbers), []).append(destination)
    return [(tuple(told[number] for number in numbers), tuple(names)) for numbers, names in together.items()]
