"""The tests: tidy (is the house in order), unit (mirrors the tree), stories (real processes), vectors (bytes from the standards)."""
