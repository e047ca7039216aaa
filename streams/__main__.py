"""``python -m streams`` runs the same program as ``backstream``."""

from streams.cli import main

if __name__ == "__main__":
    main()
