"""The data behind the page: the topics as a SQLite file, and its queries. No HTTP."""
