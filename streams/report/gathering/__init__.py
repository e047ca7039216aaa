"""Where examples come from: the topics of a stream, or an exported file."""
