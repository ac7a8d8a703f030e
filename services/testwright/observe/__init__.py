"""What goes on inside, for those who operate it: traces, metrics, health and structured logs; off unless asked for.

Actors know nothing of it. ``app`` wraps what it gives them (see ``Observation``), and where nothing is asked for it
wraps nothing.
"""
