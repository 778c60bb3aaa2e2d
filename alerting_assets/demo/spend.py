"""What is billed, and the machines behind it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from alerting_assets.demo.incidents import HOUR, Incident, Kind, under_way
from alerting_assets.demo.jobs import JOB_IDS
from alerting_assets.demo.simulate import (
    HOUR_US,
    USERS,
    WORKSPACES,
    Simulation,
    dates,
    generator,
    ids,
    moments,
    season,
    table_of,
    take,
    timestamps,
    us,
)
from alerting_assets.demo.tables import FACT_NODE_TIMELINE, FACT_USAGE

USAGE_AN_HOUR = 540.0
UNTAGGED_SHARE = 0.12
SKUS = (
    "JOBS_COMPUTE",
    "ALL_PURPOSE_COMPUTE",
    "SQL_COMPUTE",
    "SERVERLESS_SQL_COMPUTE",
    "DLT_CORE_COMPUTE",
    "MODEL_SERVING",
)
PRODUCTS = ("JOBS", "ALL_PURPOSE", "SQL", "SQL", "DLT", "MODEL_SERVING")
PRICES = np.array([0.15, 0.55, 0.22, 0.70, 0.20, 0.07])
SKU_WEIGHTS = np.array([0.38, 0.17, 0.14, 0.16, 0.10, 0.05])
TEAMS = ("core", "growth", "finance", "research", "platform")

CLUSTERS = (
    # cluster, node type, nodes (the first is the driver), CPU percent of a worker by day, by night
    ("0203-081502-ingest4k", "i3.2xlarge", 4, 68.0, 45.0),
    ("0311-141927-stream8p", "m5d.xlarge", 3, 55.0, 40.0),
    ("0419-100844-train2vq", "g5.4xlarge", 2, 75.0, 30.0),
    ("0527-093316-explore7", "m5d.2xlarge", 3, 45.0, 1.5),  # all-purpose, left running
)
DAYTIME = range(6, 20)
DRIVER_LOAD = 0.6
NODE_CLUSTER = np.repeat(np.arange(len(CLUSTERS)), [nodes for _, _, nodes, _, _ in CLUSTERS])
IS_DRIVER = np.diff(NODE_CLUSTER, prepend=-1) > 0
INSTANCE_IDS = pa.array([f"i-0c7e51{cluster:02x}{node:02x}" for node, cluster in enumerate(NODE_CLUSTER)])
LOAD = np.where(IS_DRIVER, DRIVER_LOAD, 1.0)
CPU_BY_DAY = np.array([day for _, _, _, day, _ in CLUSTERS])[NODE_CLUSTER] * LOAD
CPU_BY_NIGHT = np.array([night for *_, night in CLUSTERS])[NODE_CLUSTER] * LOAD


def _usage(seed: int, start: datetime, incidents: Sequence[Incident]) -> pa.Table:
    random = generator(seed, 1, start)
    count = int(random.poisson(USAGE_AN_HOUR * season(start)))
    ends = moments(random, start, count)
    sku = random.choice(len(SKUS), count, p=SKU_WEIGHTS)
    spike = under_way(incidents, Kind.COST_SPIKE, start)
    quantity = random.lognormal(0.7, 0.8, count) * (spike.magnitude if spike else 1.0)
    untagged = under_way(incidents, Kind.UNTAGGED, start)
    tagged = random.random(count) >= (untagged.magnitude if untagged else UNTAGGED_SHARE)
    team = random.integers(0, len(TEAMS), count)
    return table_of(
        FACT_USAGE,
        record_id=ids("u", start, count),
        workspace_id=random.choice(WORKSPACES, count),
        sku_name=take(SKUS, sku),
        billing_origin_product=take(PRODUCTS, sku),
        usage_start_time=timestamps(ends - HOUR_US),
        usage_end_time=timestamps(ends),
        usage_date=dates(ends - HOUR_US),
        usage_unit=take(("DBU",), np.zeros(count, dtype=np.int64)),
        usage_quantity=quantity,
        list_price=PRICES[sku],
        list_cost=quantity * PRICES[sku],
        run_as=take(USERS, random.integers(0, len(USERS), count)),
        custom_tags=_tags(tagged, team),
        job_id=pa.array(random.choice(JOB_IDS, count), mask=sku != PRODUCTS.index("JOBS")),
    )


def _tags(tagged: Any, team: Any) -> pa.Array:
    """The tags of each row: {team, cost_center} where it is tagged, NULL elsewhere."""
    teams = take(TEAMS, team[tagged])
    centers = take(tuple(f"cc-{100 + number}" for number in range(len(TEAMS))), team[tagged])
    entries = len(teams)
    items = pa.concat_arrays([teams, centers]).take(pa.array(np.arange(2 * entries).reshape(2, -1).T.ravel()))
    keys = take(("team", "cost_center"), np.tile([0, 1], entries))
    offsets = np.concatenate([[0], np.cumsum(2 * tagged)]).astype(np.int32)
    return pa.MapArray.from_arrays(pa.array(offsets), keys, items, mask=pa.array(~tagged))


def _nodes(seed: int, start: datetime, _: Sequence[Incident]) -> pa.Table:
    """The rows of the hour that ends at `start`."""
    random = generator(seed, 6, start)
    count = len(NODE_CLUSTER)
    measured = start - HOUR
    usual = CPU_BY_DAY if measured.hour in DAYTIME else CPU_BY_NIGHT
    cpu = np.minimum(usual * random.lognormal(0.0, 0.18, count), 100.0)
    memory = np.minimum(20 + 0.75 * cpu + random.normal(0.0, 3.0, count), 100.0)
    return table_of(
        FACT_NODE_TIMELINE,
        cluster_id=take(tuple(name for name, *_ in CLUSTERS), NODE_CLUSTER),
        instance_id=INSTANCE_IDS,
        node_type=take(tuple(node_type for _, node_type, *_ in CLUSTERS), NODE_CLUSTER),
        driver=IS_DRIVER,
        start_time=timestamps(np.full(count, us(measured))),
        end_time=timestamps(np.full(count, us(start))),
        cpu_user_percent=cpu,
        mem_used_percent=memory,
    )


SIMULATIONS = (
    Simulation(FACT_USAGE, "usage_end_time", _usage),
    Simulation(FACT_NODE_TIMELINE, "end_time", _nodes),
)
