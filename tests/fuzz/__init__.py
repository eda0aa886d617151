"""Coverage-guided fuzzing of what strangers' octets reach first: `python -m tests.fuzz TARGET --runs N`. See README.md."""
