"""How a document is cut: a reader for each media type, packing to length, and the filters. Pure
functions.
"""
