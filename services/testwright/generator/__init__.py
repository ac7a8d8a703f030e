"""Generator: takes a task, runs an engine on it, publishes the candidate."""
