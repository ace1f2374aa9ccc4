"""The daemon: a plain file starts a job, a plain file answers its gates."""
