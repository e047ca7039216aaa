"""The agents: one class a file, with an async ``handle(record)`` that returns records. No Kafka."""
