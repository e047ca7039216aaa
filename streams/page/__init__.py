"""The live page of a stream."""
