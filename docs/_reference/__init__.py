"""Pages of the reference that are made from the sources; ``python -m docs._reference`` writes them."""
