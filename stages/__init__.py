"""The stages that ship with Probable Spork. They know nothing of the daemon."""
