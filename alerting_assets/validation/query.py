"""One query, with what rules ask about it worked out once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope
from sqlglot.tokenizer_core import Token, TokenType

from alerting_assets.alerts.operators import Aggregation
from alerting_assets.alerts.origin import Origin, offset_of
from alerting_assets.alerts.parse import parse_statements, start_of
from alerting_assets.alerts.query_text import QueryTextError, tokens_of
from alerting_assets.alerts.rewrite import TableReference, tables_of
from alerting_assets.alerts.thresholds import Condition
from alerting_assets.lakehouse.port import Column
from alerting_assets.validation.catalog import Catalog
from alerting_assets.validation.families import TypedTree
from alerting_assets.validation.policy import Policy
from alerting_assets.validation.spark.second_opinion import describe


@dataclass(frozen=True)
class Contract:
    """What the alert expects of its query's result.

    column: the column that is compared.
    condition: None where only the column is known.
    sql: the text that is deployed, where there is one."""

    column: str
    condition: Condition | None = None
    aggregation: Aggregation | None = None
    sql: str | None = None


MAX_NODES = 20_000
_CLAUSES = ("where", "group", "having", "qualify", "order")
"""The clauses in which an alias of the same SELECT may stand."""


class AlertQuery:
    """One query, and what rules ask about it.

    Properties that need a tree are for rules behind the group `syntax`, `tree` is for those behind the rule one_query, and what
    asks the engine is for those behind the group `safety`."""

    def __init__(
        self, sql: str, origin: Origin, catalog: Catalog | None, policy: Policy, contract: Contract | None = None
    ) -> None:
        """sql: the query with its placeholders resolved. catalog: None where only the groups syntax and safety are asked, and no
        engine."""
        self.sql = sql
        self.origin = origin
        self._catalog = catalog
        self.policy = policy
        self.contract = contract

    @property
    def catalog(self) -> Catalog:
        assert self._catalog is not None
        return self._catalog

    @property
    def has_engine(self) -> bool:
        return self._catalog is not None

    @cached_property
    def tokens(self) -> list[Token]:
        """The tokens of the text; empty where it cannot be cut into tokens, which the rule readable_text says."""
        try:
            return tokens_of(self.sql)
        except QueryTextError:
            return []

    @cached_property
    def statements(self) -> list[exp.Expr] | SqlglotError:
        try:
            return parse_statements(self.sql)
        except SqlglotError as error:
            return error

    @property
    def tree(self) -> exp.Expr:
        assert isinstance(self.statements, list)
        return self.statements[0]

    @cached_property
    def nodes(self) -> list[exp.Expr]:
        return list(self.tree.walk())

    @cached_property
    def is_large(self) -> bool:
        """Whether the query is too large for second opinions, whose time grows with the square of a tree's depth; the engine's word
        is then taken."""
        return len(self.nodes) > MAX_NODES or sum(_expanded_size(node) for node in self.selects) > MAX_NODES

    @property
    def selects(self) -> Iterator[exp.Select]:
        return (node for node in self.nodes if isinstance(node, exp.Select))

    @cached_property
    def scopes(self) -> list[Scope]:
        """Every SELECT with the tables that it reads; empty where sqlglot cannot tell."""
        try:
            return traverse_scope(self.tree)
        except (SqlglotError, RecursionError):
            return []

    @cached_property
    def tables(self) -> list[TableReference]:
        """Every place where a table is named, common table expressions left out."""
        return tables_of(self.scopes)

    @cached_property
    def typed(self) -> TypedTree | None:
        """The tree with kinds of values; None where sqlglot cannot bind the names, or would take minutes for it."""
        if self.is_large:
            return None
        try:
            return self.bound()
        except SqlglotError:
            return None

    def bound(self, *, strict: bool = False) -> TypedTree:
        """The tree with kinds of values. strict: whether a column that no source has is an error. Raises SqlglotError."""
        return TypedTree(self.tree, self.catalog.lakehouse.namespace, self._columns_of, strict=strict)

    def _columns_of(self, table: exp.Table) -> tuple[Column, ...] | None:
        name = self.catalog.full_name([part.name for part in table.parts])
        return self.catalog.columns(name) if name else None

    @cached_property
    def source_columns(self) -> tuple[Column, ...]:
        """The output columns of the user's own query. Raises QueryError."""
        if self._is_deployed_as_written:
            return self._deployed_columns
        is_part = self.contract is not None and self.contract.sql is not None
        return describe(self, self.sql, planned=not is_part)  # the whole will be planned

    @cached_property
    def source_column(self) -> Column | None:
        """The column that the contract names; None without a contract, or where there is not exactly one such column."""
        found = [column for column in self.source_columns if self.contract and column.name == self.contract.column]
        return found[0] if len(found) == 1 else None

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the output columns of the deployed query. Raises QueryError."""
        assert self.contract is not None
        assert self.contract.sql is not None
        if self._is_deployed_as_written:
            return tuple(column.name for column in self._deployed_columns)
        return self.catalog.lakehouse.output_names(self.contract.sql)

    @property
    def _is_deployed_as_written(self) -> bool:
        """Whether the deployed query is the user's with LIMIT 1 behind it: one look at the engine then tells about both."""
        return bool(self.contract and self.contract.sql and self.contract.sql.startswith(self.sql))

    @cached_property
    def _deployed_columns(self) -> tuple[Column, ...]:
        assert self.contract is not None
        assert self.contract.sql is not None
        return describe(self, self.contract.sql)

    def place(self, at: int | exp.Expr | None) -> tuple[int | None, int | None]:
        """Line and column in the text that the user wrote. at: an offset in `sql`, or a node of the tree."""
        offset = start_of(at) if isinstance(at, exp.Expr) else at
        return (None, None) if offset is None else self.origin.place(offset)

    def offset(self, line: int | None, column: int | None) -> int | None:
        """The offset of a place in `sql`, as engines name places."""
        return None if line is None else offset_of(self.sql, line, column or 1)

    def called(self, name: str) -> int | None:
        """The offset at which a function of this name is first called; None where it is not."""
        return next((token.start for token in self.calls if token.text.lower() == name.lower()), None)

    @cached_property
    def calls(self) -> list[Token]:
        """Every word that an opening parenthesis follows: functions, and a few keywords and aliases."""
        words = zip(self.tokens, self.tokens[1:], strict=False)
        return [
            word
            for word, after in words
            if after.token_type is TokenType.L_PAREN and (word.text[:1].isalpha() or word.text[:1] == "_")
        ]


def _expanded_size(select: exp.Select) -> int:
    """How many nodes the columns and clauses of a SELECT have once each alias that they name is written out, as binding does: in `a
    + a AS b, b + b AS c, …` each column doubles them. It counts up to a little over MAX_NODES."""
    sizes: dict[str, int] = {}
    total = 0
    for part in (*select.selects, *(clause for name in _CLAUSES if (clause := select.args.get(name)))):
        size = 0
        for node in part.walk():
            is_alias = isinstance(node, exp.Column) and not node.table
            size += sizes.get(node.name.lower(), 1) if is_alias else 1
        sizes[part.alias_or_name.lower()] = size
        total += size
        if total > MAX_NODES:
            break
    return total


def gaps_of(text: str) -> Iterator[tuple[int, str]]:
    """What lies between tokens, white space and comments, as (offset, text). There is nothing for a text that cannot be cut into
    tokens."""
    try:
        tokens = tokens_of(text)
    except QueryTextError:
        return
    position = 0
    for token in tokens:
        if token.start > position:
            yield position, text[position : token.start]
        position = max(position, token.end + 1)
    if position < len(text):
        yield position, text[position:]
