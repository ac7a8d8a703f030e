"""Makes credentials, and the part of a server's configuration that knows them: ``testwright auth``.

``permissions`` says what a role may do; a form says how the server is told and how a user signs in.
"""
