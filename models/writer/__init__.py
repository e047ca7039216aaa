"""The writer: an adapter that makes SmolLM2-135M-Instruct write, answer and rate instructions."""
