"""What Spark and Databricks say about a query, worked out from its text: for an engine that is more generous or stricter than they."""
