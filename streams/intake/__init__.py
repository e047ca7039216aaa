"""Ways in that run for as long as the stream does: an HTTP endpoint, and watched sources."""
