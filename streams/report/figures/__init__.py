"""What is counted of the examples."""
