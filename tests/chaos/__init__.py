"""Faults against a running stream, and a verifier apart from the product.

Run with ``make chaos`` or ``python -m tests.chaos``. Each class of faults has a cluster and topics
of its own. Documents are fed all the time while its faults happen. At the end the verifier reads
the topics and compares them with what was fed.
"""
