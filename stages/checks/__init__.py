"""The acceptance checks, one module for each thing that can be wrong with a video."""
