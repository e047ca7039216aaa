"""The agents: one file each, a small class with an async ``handle(record)`` that gives what
follows. No Kafka.
"""
