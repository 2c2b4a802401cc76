"""What a node keeps on disk: its secrets, its journal, and what it has signed."""
