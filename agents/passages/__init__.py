"""How a document is cut: a reader for each media type, packing, filters. Pure functions."""
