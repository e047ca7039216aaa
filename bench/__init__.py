"""Benchmarks: what a record costs and what the stream carries. One command prints each."""
