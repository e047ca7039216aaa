"""The records that flow through Backstream, their ids and their encoding. No I/O."""
