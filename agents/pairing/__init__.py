"""The settings of the pairer. Pure."""
