"""Which task a passage sets, and what of it is material and what the answer."""
