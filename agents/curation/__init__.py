"""The rules by which the curator refuses an example. Pure: no I/O, no clock."""
