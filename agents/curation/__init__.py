"""The rules by which the curator refuses an example. Pure functions: no I/O, no clock."""
