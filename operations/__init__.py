"""What an operator does from the command line: `operate.py` understands the words, this does the work."""
