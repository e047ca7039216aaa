"""Watched sources: directories, stores and feeds that are looked at again and again."""
