"""The commands, one module for each group.

The modules import nothing at the top that takes long to load (Kafka clients, onnxruntime, numpy,
pydantic), so that ``--help`` answers at once. ``tests/unit/streams/cli/test_command_line.py``
enforces it.
"""
