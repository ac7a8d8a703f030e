"""What runs inside the sandbox, in the target's interpreter: standard library, pytest and coverage only.

Nothing in here may import testwright: the target's environment does not have it. What a run has to say goes out as JSON
lines on the original standard output, each behind a token that the host made up, never as an exit code: code under test
can end the process with any code it likes.
"""
