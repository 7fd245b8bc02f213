"""What sets the house up on a machine that has only Python, git, make and a package registry.

Standard library only: these run before anything is installed. They print, because they are commands.
"""
