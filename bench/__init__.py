"""Yardsticks, each printed by one command: what a record costs, and what the whole stream
carries.
"""
