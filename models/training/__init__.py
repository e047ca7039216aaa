"""Fine-tunes a base on human seeds and curated examples, in a process of its own."""
