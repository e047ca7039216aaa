"""The records that flow through Backstream, their ids and their form on the wire. No I/O."""
