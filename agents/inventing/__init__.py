"""What the inventor needs beside the model: its settings, and rules on what the model wrote."""
