"""Fuzzing of everything that reads bytes from elsewhere: topics, files, the environment.

``python -m tests.fuzz`` feeds mutated valid inputs to each target (``targets``) and reports every
outcome that the target does not document: another exception, over a second of CPU time, more
memory than is allowed, a crash. An input follows from the seed, the target's name and its number
alone, so each can be made again.
"""
