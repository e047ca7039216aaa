"""Static batching over the plain graph, for architectures that have no graph of ours."""
