"""The tests; a package, so that what they share has one name."""
