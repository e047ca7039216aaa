"""Reads GGUF, the file format of llama.cpp, and writes a checkpoint from it. Imports no torch."""
