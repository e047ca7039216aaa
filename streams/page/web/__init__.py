"""The live page: its application, its pages and its server."""
