"""Failed checks, runs and ticks become messages: what is told, to whom, and when again. Knows no Dagster; `automation` reads it."""
