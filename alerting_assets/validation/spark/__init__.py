"""What Spark and Databricks say about a query, worked out from its text: for an engine that is more generous or stricter than they."""

from sqlglot import exp

Diagnostic = tuple[int | exp.Expr, str]
"""A place in a query, as an offset in its text or as a node of its tree, and what is wrong there."""
