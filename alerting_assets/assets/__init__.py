"""The graph: one thin module a stage. It calls the room below and records what people look at."""
