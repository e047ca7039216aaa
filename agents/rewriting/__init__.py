"""The settings of the rewriter, and how it tells whether a text keeps to its passage. Pure."""
