"""The rules, one class each, by what they are about."""

from __future__ import annotations

from alerting_assets.validation.rules.analysis import AcceptedByTheEngine
from alerting_assets.validation.rules.base import Rule
from alerting_assets.validation.rules.contract import (
    AggregationColumnExists,
    AggregationFitsTheColumn,
    DeployedFormIsAccepted,
    FirstRowHasAnOrder,
    ValueFitsTheThreshold,
)
from alerting_assets.validation.rules.literals import LiteralsCanBeRead
from alerting_assets.validation.rules.quality import (
    AggregationHasSeveralRows,
    FactTableIsFilteredByTime,
    IsDeterministic,
    MeansTheSameEverywhere,
    NoCrossJoin,
    NoSelectStar,
)
from alerting_assets.validation.rules.references import TablesExist
from alerting_assets.validation.rules.safety import (
    AllowedSchemas,
    KnownFunctions,
    NoDynamicNames,
    NoPaths,
    NoSideEffects,
    NoVariables,
    OneQuery,
)
from alerting_assets.validation.rules.syntax import (
    ClausesInOrder,
    DistinctNames,
    ParsesAsSql,
    ReadableText,
    UnambiguousText,
)

RULES: tuple[Rule, ...] = (
    ReadableText(),
    UnambiguousText(),
    ParsesAsSql(),
    DistinctNames(),
    ClausesInOrder(),
    LiteralsCanBeRead(),
    OneQuery(),
    NoSideEffects(),
    KnownFunctions(),
    NoPaths(),
    NoDynamicNames(),
    NoVariables(),
    AllowedSchemas(),
    TablesExist(),
    AcceptedByTheEngine(),
    AggregationColumnExists(),
    FirstRowHasAnOrder(),
    AggregationFitsTheColumn(),
    ValueFitsTheThreshold(),
    DeployedFormIsAccepted(),
    FactTableIsFilteredByTime(),
    AggregationHasSeveralRows(),
    NoCrossJoin(),
    NoSelectStar(),
    IsDeterministic(),
    MeansTheSameEverywhere(),
)
"""In the order in which they are checked: by group, within one as listed."""

__all__ = ["RULES", "Rule"]
