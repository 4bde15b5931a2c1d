"""How work is done: plan, execute, check, report. Writes down what happened through a port only."""
