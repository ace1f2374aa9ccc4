"""The whole machine in one process: kills, stages and clocks in a test's hands, rules, and an oracle."""
