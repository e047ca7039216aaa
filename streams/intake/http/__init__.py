"""`POST /documents`: documents by HTTP."""
