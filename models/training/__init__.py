"""The fine-tuner: from a base, human seeds and curated examples to a new release, in a process of
its own.
"""
