"""`python -m alerting_assets_tests.spark.measure_signatures [name …]`: asks JVM Spark and writes validation/signatures.txt.

Run by hand where functions.txt has new names or PySpark a new version; takes some minutes and a JVM. Spark only analyses: nothing is
run. From calls that it accepts (its own examples first) each argument is exchanged for values of every kind, alone and together with
its neighbours. A kind is left out of the table only where no call with it was accepted."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from typing import Any

import py4j.java_gateway
import py4j.protocol
from pyspark.sql import SparkSession
from sqlglot.errors import SqlglotError

from alerting_assets.alerts.query_text import QueryTextError, tokens_of
from alerting_assets.lakehouse.functions import documented
from alerting_assets.validation.signatures import PATH, Argument, Kind, Signature
from alerting_assets_tests.validation.signature_text import text_of

MANY = 9
"""A function that takes as many arguments takes any number of them."""
MEASURED = 3
"""Of such a function, calls up to this many arguments are looked at."""
BASES = 4
TOGETHER = 100
SECONDS = 15.0
"""For one function; what takes longer is left out of the table. Slow are those that throw errors instead of noting them."""
WINDOWS = frozenset(
    {"cume_dist", "dense_rank", "lag", "lead", "nth_value", "ntile", "percent_rank", "rank", "row_number"}
)
WITH_A_UNIT = (("MONTH", "1", "DATE'2024-01-01'"), ("MONTH", "DATE'2024-01-01'", "DATE'2024-01-01'"))
NEIGHBOURS = ("{0}", "array({0})", "map({0}, {0})", "map('a', {0})", "array(array({0}))")
"""Values that may fit together with one."""

VALUES: dict[Kind, tuple[str, ...]] = {
    Kind.INT: ("1", "0"),
    Kind.BIGINT: ("1L",),
    Kind.DECIMAL: ("0.5",),
    Kind.DOUBLE: ("0.5D",),
    Kind.TEXT: ("'1'", "'a'"),
    Kind.BOOLEAN: ("true",),
    Kind.BINARY: ("X'01'",),
    Kind.DATE: ("DATE'2024-01-01'",),
    Kind.TIMESTAMP: ("TIMESTAMP_LTZ'2024-01-01 00:00:00'", "TIMESTAMP_NTZ'2024-01-01 00:00:00'"),
    Kind.TIME: ("TIME'01:00:00'",),
    Kind.MONTHS: ("INTERVAL '1-1' YEAR TO MONTH",),
    Kind.SECONDS: ("INTERVAL '1 1' DAY TO HOUR",),
    Kind.ARRAY: (
        "array(1)",
        "array('a')",
        "array(0.5D)",
        "array(array(1))",
        "array(named_struct('a', 1, 'b', 2))",
        "array(true)",
        "array(0.5F)",
    ),
    Kind.MAP_OF_TEXTS: ("map('a', 'b')",),
    Kind.MAP: ("map('a', 1)", "map(1, 1)"),
    Kind.STRUCT: ("named_struct('a', 1)",),
    Kind.NULL: ("NULL",),
}
COLUMNS = {value: f"c{number}" for number, value in enumerate(value for values in VALUES.values() for value in values)}
KINDS = {value: kind for kind, values in VALUES.items() for value in values}
EVERY = tuple(KINDS)
FIRST = tuple(values[0] for values in VALUES.values())
OPERATORS = frozenset(
    {"and", "between", "case", "div", "ilike", "in", "like", "mod", "not", "or", "regexp", "rlike", "when"}
)
"""Read as such, not as calls."""

Call = tuple[str, ...]


class Analysis:
    def __init__(self) -> None:
        self._spark = (
            SparkSession.builder.master("local[1]")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.timeType.enabled", "true")
            .config("spark.log.level", "OFF")
            .getOrCreate()
        )
        columns = ", ".join(f"{value} AS {name}" for value, name in COLUMNS.items())
        self._spark.sql(f"SELECT {columns}").createOrReplaceTempView("kinds")
        state = self._spark._jsparkSession.sessionState()
        self._parser, self._analyzer = state.sqlParser(), state.analyzer()
        # PySpark's own fetches messages and stacks of every error, which takes longer than the analysis.
        py4j.java_gateway.get_return_value = py4j.protocol.get_return_value

    def version(self) -> str:
        return str(self._spark.version)

    def error(self, expression: str) -> str:
        """Spark's name for what is thrown, or an empty text; types that do not fit are not thrown."""
        try:
            self._plan([expression])
        except py4j.protocol.Py4JJavaError as error:
            return _condition(error.java_exception)
        return ""

    def accepted(self, expressions: list[str], together: int) -> list[bool]:
        """Of each. together: so many are asked at once; what one throws stops all, so then in halves."""
        if len(expressions) > together:
            parts = [expressions[start : start + together] for start in range(0, len(expressions), together)]
            return [answer for part in parts for answer in self.accepted(part, together)]
        try:
            plan = self._plan(expressions)
        except py4j.protocol.Py4JJavaError:
            half = len(expressions) // 2
            return self.accepted(expressions, half) if half else [False]
        if plan.resolved():
            return [True] * len(expressions)
        found = plan.expressions()
        return [bool(found.apply(number).resolved()) for number in range(len(expressions))]

    def _plan(self, expressions: list[str]) -> Any:
        return self._analyzer.execute(self._parser.parsePlan(f"SELECT {', '.join(expressions)} FROM kinds"))

    def about(self, name: str) -> str:
        """What DESCRIBE FUNCTION says, examples included."""
        rows = self._spark._jsparkSession.sql(f"DESCRIBE FUNCTION EXTENDED `{name}`").collectAsList()
        return "\n".join(str(rows.get(number).getString(0)) for number in range(rows.size()))


def _condition(error: Any) -> str:
    try:
        return str(error.getCondition())
    except py4j.protocol.Py4JError:
        return "ERROR"


class Function:
    def __init__(self, analysis: Analysis, name: str) -> None:
        self._analysis = analysis
        self.name = name
        self._over = ""
        self._makes_rows = False
        self._deadline = time.monotonic() + SECONDS

    def signatures(self) -> Iterator[Signature]:
        if self._analysis.error(f"{self.name}(1)") in ("UNRESOLVED_ROUTINE", "PARSE_SYNTAX_ERROR"):
            return
        about = self._analysis.about(self.name)
        self._makes_rows = bool(re.search("explode|inline|stack|json_tuple", self.name))
        if self.name in WINDOWS:
            self._over = " OVER (ORDER BY c0)"
        examples = list(_examples(self.name, about))
        many = self._may_have(MANY) or self._may_have(MANY + 1)  # map() takes pairs
        counts = [count for count in range(MANY) if self._may_have(count)]
        bases: list[Call] = []
        found: list[Signature] = []
        for count in counts:
            if count > MEASURED and many:
                break
            bases = self._bases(count, [call for call in examples if len(call) == count], bases)
            signature = Signature(self.name, self._arguments(count, bases) if bases else (None,) * count)
            if time.monotonic() > self._deadline:
                print(f"{self.name}: left out, takes too long", file=sys.stderr)
                return
            if count == 0 and not bases:
                continue
            found.append(signature)
        if any(item.arguments == () or any(item.arguments or ()) for item in found):
            yield from found
            if many:
                yield Signature(self.name, None)

    def _may_have(self, count: int) -> bool:
        return "WRONG_NUM_ARGS" not in self._analysis.error(self._text(("1",) * count)) or (
            count == 3 and bool(self._accepted(list(WITH_A_UNIT)))
        )

    def _text(self, call: Call) -> str:
        return f"{self.name}({', '.join(call)}){self._over}"

    def _accepted(self, calls: list[Call]) -> list[Call]:
        calls = list(dict.fromkeys(calls))
        if time.monotonic() > self._deadline:
            return []
        texts = [self._text(call) for call in calls]
        together = 1 if self._makes_rows else TOGETHER  # what makes rows stands alone in a SELECT
        answers = self._analysis.accepted(texts, together)
        return [call for call, answer in zip(calls, answers, strict=True) if answer]

    def _bases(self, count: int, examples: list[Call], shorter: list[Call]) -> list[Call]:
        if count == 0:
            return self._accepted([()])
        found = self._accepted(list(_candidates(count, examples, shorter)))
        if not found and count == 2:
            found = self._accepted([(one, other) for one in EVERY for other in EVERY])
        return found[: BASES - 1] + found[-1:] if len(found) >= BASES else found

    def _arguments(self, count: int, bases: list[Call]) -> tuple[Argument, ...]:
        kinds = [{kind for base in bases if (kind := _kind_of(base[position]))} for position in range(count)]
        columns = [False] * count
        for stage in (_alone, _with_neighbours):
            missing = [(position, kind) for position in range(count) for kind in Kind if kind not in kinds[position]]
            asked = [
                (call, position, kind, column)
                for position, kind in missing
                for call, column in stage(kind, position, count, bases)
            ]
            accepted = set(self._accepted([call for call, *_ in asked]))
            for call, position, kind, column in asked:
                if call in accepted:
                    kinds[position].add(kind)
                    columns[position] |= column
        for position in range(count):
            values = [value for kind in kinds[position] - {Kind.NULL} for value in VALUES[kind]]
            given = [_exchanged(base, {position: COLUMNS[value]}) for base in bases for value in values]
            columns[position] = columns[position] or not given or bool(self._accepted(given))
        return tuple(
            Argument(frozenset(found), constant=not column) for found, column in zip(kinds, columns, strict=True)
        )


def _alone(kind: Kind, position: int, count: int, bases: list[Call]) -> Iterator[tuple[Call, bool]]:  # noqa: ARG001
    """(call, is the argument a column)."""
    for value in VALUES[kind]:
        for base in bases:
            yield _exchanged(base, {position: value}), False
        yield _exchanged(bases[0], {position: COLUMNS[value]}), True


def _with_neighbours(kind: Kind, position: int, count: int, bases: list[Call]) -> Iterator[tuple[Call, bool]]:
    others = [other for other in range(count) if other != position]
    for value in VALUES[kind][:2]:
        yield (value,) * count, False
        of_a_kind = [other for other in range(count) if _kind_of(bases[0][other]) is _kind_of(bases[0][position])]
        yield _exchanged(bases[0], dict.fromkeys(of_a_kind, value)), False
        for other in others[:3]:
            for neighbour in (*(text.format(value) for text in NEIGHBOURS), *(FIRST if count == 2 else ())):
                yield _exchanged(bases[0], {position: value, other: neighbour}), False


def _kind_of(text: str) -> Kind | None:
    if text in KINDS:
        return KINDS[text]
    if re.fullmatch(r"'[^']*'", text):
        return Kind.TEXT
    return Kind.INT if re.fullmatch(r"-?\d{1,9}", text) else Kind.DECIMAL if re.fullmatch(r"-?\d+\.\d+", text) else None


def _candidates(count: int, examples: list[Call], shorter: list[Call]) -> Iterator[Call]:
    yield from examples
    for example in examples:
        named = [number for number, argument in enumerate(example) if re.fullmatch(r"[A-Za-z_]\w*", argument)]
        if named:
            for value in EVERY:
                yield _exchanged(example, dict.fromkeys(named, COLUMNS[value]))
    for value in EVERY:
        yield (value,) * count
    for call in shorter:
        for value in EVERY:
            yield (*call, value)


def _exchanged(call: Call, values: dict[int, str]) -> Call:
    return tuple(values.get(number, argument) for number, argument in enumerate(call))


def _examples(name: str, text: str) -> Iterator[Call]:
    """The arguments of each call in Spark's examples."""
    for line in re.findall(r"> (SELECT.*?);\s*$", text, re.M | re.I):
        try:
            tokens = tokens_of(line)
        except (QueryTextError, SqlglotError):
            continue
        for number, token in enumerate(tokens[:-1]):
            is_call = token.text.lower() == name and tokens[number + 1].text == "("
            if is_call and (call := _call(line, tokens[number + 1 :])) is not None:
                yield call


def _call(line: str, tokens: list[Any]) -> Call | None:
    depth, start, arguments = 0, tokens[0].end + 1, []
    for token in tokens:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
        if depth == 0 or (depth == 1 and token.text == ","):
            arguments.append(line[start : token.start].strip())
            start = token.end + 1
        if depth == 0:
            return tuple(arguments) if arguments != [""] else ()
    return None


def main() -> int:
    """Names on the command line: only these are measured, the other lines kept."""
    analysis = Analysis()
    names = sys.argv[1:] or sorted({*documented(), "positive"} - OPERATORS)
    names = [name for name in names if not name.startswith("st_")]  # of kinds that are not here
    kept = [line for line in PATH.read_text(encoding="ascii").splitlines()[1:] if sys.argv[1:]]
    lines = [line for line in kept if line.partition(" ")[0] not in names]
    for name in names:
        lines += [text_of(signature) for signature in Function(analysis, name).signatures()]
        print(f"\r{name:40}", end="", file=sys.stderr, flush=True)
        PATH.write_text("\n".join((f"# Spark {analysis.version()}", *sorted(lines))) + "\n", encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
