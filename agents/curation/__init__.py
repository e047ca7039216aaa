"""The rules by which the curator refuses an example. Only ``named_files`` does I/O; no clock."""
