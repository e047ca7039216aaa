"""Kafka: topics, the stage harness, the embedded broker, sources, sinks and the command line."""
