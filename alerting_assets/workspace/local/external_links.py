"""Presigned addresses of result chunks: as cloud storage, they open by themselves, for some time, and refuse other credentials."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from alerting_assets.workspace.local.rules import timestamp, utc_now


class ExternalLinks:
    """Links to streams that open by themselves. Used on the event loop only. seconds: how long each link works."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._streams: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        """For each link, the oldest first: (stream, end in seconds of the monotonic clock)."""

    def route(self) -> Route:
        return Route("/external-links/{key}", self.open, methods=["GET"])

    def add(self, request: Request, stream: bytes) -> dict[str, str]:
        """A new link to this stream: the fields `external_link` and `expiration` of an answer."""
        self._forget_expired()
        key = secrets.token_urlsafe(24)
        self._streams[key] = (stream, time.monotonic() + self._seconds)
        return {
            "external_link": f"{request.base_url}external-links/{key}",
            "expiration": timestamp(utc_now() + timedelta(seconds=self._seconds)),
        }

    async def open(self, request: Request) -> Response:
        if "authorization" in request.headers:
            return PlainTextResponse("Only one auth mechanism allowed\n", 400)
        self._forget_expired()
        found = self._streams.get(request.path_params["key"])
        if found is None:
            return PlainTextResponse("Request has expired\n", 403)
        return Response(found[0], media_type="application/vnd.apache.arrow.stream")

    def _forget_expired(self) -> None:
        now = time.monotonic()
        while self._streams and next(iter(self._streams.values()))[1] <= now:
            self._streams.popitem(last=False)
