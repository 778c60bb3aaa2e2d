"""1,000 messages to a receiver that takes 50 ms, at most 16 at a time: seconds from the first put to the last outcome in the log, to one
destination and to ten, printed as JSON. The receiver runs in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alerting_assets.delivery import (
    Courier,
    DeliveryRecord,
    Destination,
    DestinationType,
    Event,
    EventKind,
    Outbox,
    Outcome,
    Sender,
)

MESSAGES = 1_000
RECEIVER = """
import asyncio, json, sys
busy = most = count = 0
async def serve(reader, writer):
    global busy, most, count
    head = await reader.readuntil(b"\\r\\n\\r\\n")
    if head.startswith(b"GET"):
        body = json.dumps({"most": most, "count": count}).encode()
        most = count = 0
    else:
        busy += 1
        most, count = max(most, busy), count + 1
        length = next(int(line.split(b":")[1]) for line in head.split(b"\\r\\n") if line.lower().startswith(b"content-length"))
        await reader.readexactly(length)
        await asyncio.sleep(0.05)
        busy -= 1
        body = b"ok"
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n%s" % (len(body), body))
    await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def main() -> None:
    with subprocess.Popen([sys.executable, "-c", RECEIVER], stdout=subprocess.PIPE, text=True) as receiver:
        try:
            assert receiver.stdout is not None
            url = f"http://127.0.0.1:{int(receiver.stdout.readline())}"
            print(json.dumps({f"{count} destinations": measure(url, count) for count in (1, 10)}, indent=2))
        finally:
            receiver.kill()


def measure(url: str, destinations: int) -> dict[str, Any]:
    import requests

    logged: list[DeliveryRecord] = []

    def log(records: Sequence[DeliveryRecord]) -> None:
        logged.extend(records)

    def look_up(destination_id: str) -> Destination:
        return Destination(destination_id, "bench", DestinationType.WEBHOOK, secret=url)

    now = datetime.now(UTC)
    events = [
        Event(f"e{n}", EventKind.ALERT, f"k{n}", "Cost is high", now, body_text="x" * 500) for n in range(MESSAGES)
    ]
    with tempfile.TemporaryDirectory() as folder, Outbox(Path(folder) / "outbox.sqlite") as box:
        courier = Courier(box, Sender(), look_up, log=log)
        started, cpu = time.perf_counter(), time.process_time()
        for number, event in enumerate(events):
            box.put(event, [f"d{number % destinations}"])
        put = time.perf_counter() - started
        assert courier.run_until_idle(300)
        taken = time.perf_counter() - started
        arrived = requests.get(url, timeout=10).json()
        assert len(logged) == MESSAGES == sum(record.outcome is Outcome.SENT for record in logged)
        return {
            "messages": MESSAGES,
            "seconds": round(taken, 2),
            "of which put": round(put, 2),
            "CPU seconds": round(time.process_time() - cpu, 2),
            "most at a time": arrived["most"],
            "requests": arrived["count"],
        }


if __name__ == "__main__":
    main()
